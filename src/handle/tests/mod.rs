//! Instances and their health as requests, duties and observers see them.

mod choosing;
mod draining;
mod judging;
mod retired;
mod stress;
mod support;

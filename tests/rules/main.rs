//! The pure rules: names, splits, slots, draws, and who may use whom in the source.

mod architecture;
mod draws;
mod names;
mod slots;
mod splits;
mod support;

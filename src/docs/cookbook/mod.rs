//! Recipes. Each is compiled with the tests; the ones that need no network also run.
//!
//! | you have | recipe |
//! | --- | --- |
//! | reqwest instead of the client of this crate | [reqwest under the proxy](backends#reqwest-under-the-proxy) |
//! | a sea-orm pool and migrations of your own | [a pool of your own](applications#a-pool-and-migrations-of-your-own) |
//! | backends at `https` URLs | [TLS to backends](backends#tls-to-backends) |
//! | a login of your own | [an authenticator](applications#an-authenticator-of-your-own) |
//! | a timeout in your server's middleware | [a timeout outside](backends#a-timeout-outside-of-the-proxy) |
//! | versions in a configuration file | [seeding versions](applications#seeding-versions-from-configuration) |
//! | backends that must not be overloaded | [a limit for each instance](backends#a-limit-for-each-instance) |
//! | a version to try under real requests | [copies of requests](backends#copies-of-requests-before-the-first-user) |
//! | a program that changes weights beside operators | [a client of the admin API](applications#a-client-of-the-admin-api-beside-other-clients) |
//! | an SDK that takes a base URL | [choosing without sending](applications#choosing-without-sending) |
//! | a handler that draws a random number | [migration from it](super::migration#from-a-weighted-handler) |
//! | NGINX with `split_clients` | [migration from it](super::migration#from-nginx-split_clients) |
//! | a rule about one user to test | [a unit test with a named user](applications#a-unit-test-with-a-named-user) |
//!
//! The examples of the repository are whole programs: `cargo run --example sessions` and so on.
//! `examples/gateway` is a gateway with everything.

pub mod applications;
pub mod backends;

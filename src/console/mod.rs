//! The console: one page for operators, which shows and changes deployments through the [admin API](crate::admin).
//!
//! It shows the split beside the requests as they were observed, the versions with their figures and instances, the
//! gateways, the history with the refused changes, and the rollout of a service. A change is prepared as a draft with a
//! preview by the API, and nothing moves before it is confirmed. The page `docs::console` says how to mount
//! it, how people sign in, and the duties of a proxy in front.
//!
//! ```
//! use axum::Router;
//! use tower_canary::console::{self, Console};
//!
//! # fn app(api: Router) -> Result<Router, tower_canary::console::InvalidPath> {
//! let app = Router::new()
//!     .nest("/api/v1/admin", api)
//!     .nest_service("/console", console::router::<()>(&Console::new("../api/v1/admin")?));
//! # Ok(app)
//! # }
//! # app(Router::new()).unwrap();
//! ```
//!
//! The page is one response without a token or data in it, so it needs no protection of its own: the API alone knows
//! anything, and it authenticates each request. The page loads nothing else, and works below any prefix.
//!
//! | file | contents |
//! | --- | --- |
//! | `settings` | [`Console`]: where the API is, where the application signs people in |
//! | `page` | the page: the parts in `page.html`, `style/` and `script/` as one text, its policy and its tag |
//! | `router`, `negotiation` | [`router()`]: the response and its headers, as the client takes it |
//! | `script/format.js`, `derive.js`, `change.js` | pure functions: texts, what follows from answers, changes as data |
//! | `script/dom.js` | elements from descriptions, where text is only ever text |
//! | `script/api.js`, `send.js`, `read.js`, `live.js` | calls, changes, reads, the stream of figures and the reads of each second |
//! | `script/state.js`, `draft.js`, `act.js`, `main.js` | the state, drafts of weights, other actions of a person, the start and the keys |
//! | `script/view/` | one file for each part of the page |

mod negotiation;
mod page;
mod router;
mod settings;

pub use self::router::router;
pub use self::settings::{Console, InvalidPath};

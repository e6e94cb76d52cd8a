//! The console: how to mount it, how people sign in, and the duties of a proxy in front.
//!
//! It is one page that operators open in a browser. It shows a service at a time: the split beside the requests as they
//! were observed, with the interval of chance; each version with its figures, its instances and whether its process may be
//! stopped; the gateways; the history with the refused changes; and the rollout, if the gateways run one. Everything that it
//! shows and changes goes through the [admin API](crate::admin), so scopes, conditions and records are the same as for any
//! other client.
//!
//! # How to mount it
//!
//! Beside the admin API, on the listener for operators:
//!
//! ```
//! use axum::Router;
//! use tower_canary::admin::{self, AdminAuth};
//! use tower_canary::console::{self, Console, InvalidPath};
//! use tower_canary::Deployments;
//!
//! fn operators(deployments: Deployments, auth: AdminAuth) -> Result<Router, InvalidPath> {
//!     let console = Console::new("../api/v1/admin")?;
//!     Ok(Router::new()
//!         .nest("/api/v1/admin", admin::router(deployments, auth))
//!         .nest_service("/console", console::router::<()>(&console)))
//! }
//! ```
//!
//! `nest_service` serves the page at `/console` and at `/console/`. With `nest` the path with the slash is not found. The
//! path of the API is relative to the console, so the two may move below a prefix together: behind a proxy at
//! `/ops/console/` the page calls `/ops/api/v1/admin`. A console without an API beside it, such as one console for several
//! paths of one site, takes a path from the root: `Console::new("/gateway-2/admin")`. The API is always on the same site
//! (scheme, host and port): the page may connect to no other, and the API sends no CORS headers.
//!
//! The page is one response: at most 29 KiB with gzip, which every browser takes, and at most 87 KiB for a client that
//! refuses it. The lines of its script are those of the sources without indentation and comments, so it can be read in the
//! tools of the browser. It loads nothing else, neither from the gateway nor from elsewhere.
//!
//! # How people sign in
//!
//! The page first asks the API for the name of the sender, without a token.
//!
//! | the API | the page |
//! | --- | --- |
//! | knows the sender: a cookie, a client certificate, a proxy such as oauth2-proxy | shows the name. [`with_login`](crate::console::Console::with_login) gives it a place to sign out |
//! | responds 401 | asks for a token, and links to the page of `with_login`, if there is one |
//!
//! A token stays in the memory of the page, so a reload forgets it. With *until I close this tab* it is kept in the storage
//! of the tab. It is never in an address, a cookie or a log. A sender without `canary:write` sees everything, can preview
//! and probe, and each action says why it is off.
//!
//! An API that takes cookies needs a defence against requests that another site forges. Wrap it in the `CsrfLayer` of
//! tower-http, or check `Sec-Fetch-Site` in your [`Authenticator`](crate::admin::Authenticator). A token needs none.
//!
//! # Behind a proxy
//!
//! - **Its policy.** The page has a strict `Content-Security-Policy`: its one script and its one style by their hashes,
//!   connections to the same site, nothing else, and no text becomes markup (Trusted Types). A proxy or an application that
//!   adds a policy of its own restricts the page further, since of two policies both hold. Leave the path of the console
//!   out of it, or send [`Console::policy`](crate::console::Console::policy) there. A proxy that changes the page, to add a
//!   banner or to minify it, breaks the hashes, and the browser shows an empty page.
//! - **Its buffers.** Figures come as a stream. The API asks NGINX not to hold it back (`X-Accel-Buffering: no`). If no
//!   event arrives for six seconds, the page asks every two seconds instead, and tries the stream again each minute.
//! - **Its headers.** The API has to receive `Authorization` and `If-Match` unchanged.
//! - **Its timeouts.** An apply waits up to five seconds for the other gateways, a wait for a drain up to ten minutes.
//!
//! # What it does not do
//!
//! It shows the figures of the gateway that responds, and not those of all gateways together. It keeps no data: a graph
//! over more than five minutes is for your metrics. It judges no version; a [rollout](crate::docs) does.

//! Access to the service that a middleware wraps.

/// Defines `get_ref`, `get_mut` and `into_inner` for a type with a field `inner: S`.
macro_rules! define_inner_service_accessors {
    () => {
        /// Returns the inner service.
        pub const fn get_ref(&self) -> &S {
            &self.inner
        }

        /// Returns the inner service for changes.
        pub const fn get_mut(&mut self) -> &mut S {
            &mut self.inner
        }

        /// Returns the inner service and drops the middleware.
        pub fn into_inner(self) -> S {
            self.inner
        }
    };
}
pub(crate) use define_inner_service_accessors;

//! Capturing the log of a thread.

use std::cell::RefCell;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Once;

use tracing_subscriber::filter::LevelFilter;

thread_local! {
    static BUFFER: RefCell<Weak<Buffer>> = const { RefCell::new(Weak::new()) };
}

/// The text of one thread.
#[derive(Default)]
struct Buffer {
    bytes: RefCell<Vec<u8>>,
    hook: RefCell<Option<Hook>>,
}

/// Gets each line before the event returns to the code that logs it.
type Hook = Rc<dyn Fn(&str)>;

/// Everything that its thread logs while it exists, at any level.
///
/// One subscriber serves the whole process. `tracing` caches for each callsite whether a subscriber is interested: with one
/// subscriber per thread, a callsite that is first reached in a thread without one would stay disabled for all threads.
pub(crate) struct Log(Rc<Buffer>);

impl Log {
    /// Starts to capture the log of the current thread.
    pub(crate) fn of_this_thread() -> Self {
        static SUBSCRIBED: Once = Once::new();
        SUBSCRIBED.call_once(|| {
            let subscriber = tracing_subscriber::fmt().with_ansi(false).with_max_level(LevelFilter::TRACE);
            subscriber.with_writer(|| ThreadBuffer).init();
        });
        tracing::callsite::rebuild_interest_cache();
        let log = Self(Rc::default());
        BUFFER.set(Rc::downgrade(&log.0));
        log
    }

    /// Returns the text logged so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.bytes.borrow().clone()).unwrap()
    }

    /// Calls `hook` with each line from now on, as a subscriber of the application could. It may panic.
    #[allow(dead_code, reason = "some test binaries only read the text")]
    pub(crate) fn on_line(&self, hook: impl Fn(&str) + 'static) {
        self.0.hook.replace(Some(Rc::new(hook)));
    }
}

/// Writes to the [`Log`] of the current thread, if there is one.
struct ThreadBuffer;

impl io::Write for ThreadBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(buffer) = BUFFER.with_borrow(Weak::upgrade) {
            buffer.bytes.borrow_mut().extend_from_slice(bytes);
            let hook = buffer.hook.borrow().clone();
            if let Some(hook) = hook {
                hook(&String::from_utf8_lossy(bytes));
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

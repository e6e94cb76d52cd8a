//! What a thread logs.

use std::cell::RefCell;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Once;

use tracing_subscriber::filter::LevelFilter;

thread_local! {
    static KEPT: RefCell<Weak<RefCell<Vec<u8>>>> = const { RefCell::new(Weak::new()) };
}

/// All that its thread logs while it lives, at any level.
///
/// One subscriber serves the whole process: `tracing` remembers of each place in the code whether anybody listens, and
/// a thread without a subscriber of its own that comes there first would settle for all that nobody does.
pub(crate) struct Log(Rc<RefCell<Vec<u8>>>);

impl Log {
    pub(crate) fn of_this_thread() -> Self {
        static LISTENING: Once = Once::new();
        LISTENING.call_once(|| {
            let subscriber = tracing_subscriber::fmt().with_ansi(false).with_max_level(LevelFilter::TRACE);
            subscriber.with_writer(|| Keeper).init();
        });
        tracing::callsite::rebuild_interest_cache();
        let log = Self(Rc::default());
        KEPT.set(Rc::downgrade(&log.0));
        log
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

struct Keeper;

impl io::Write for Keeper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(kept) = KEPT.with_borrow(Weak::upgrade) {
            kept.borrow_mut().extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

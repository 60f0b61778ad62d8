//! Panics of tasks, which their runtime would hide.

use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    /// None: nothing is simulated on this thread.
    static PANICS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// From here on panics of this thread are kept.
pub(crate) fn watch() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let kept = PANICS.with(|panics| {
                panics.try_borrow_mut().is_ok_and(|mut panics| {
                    panics.as_mut().is_some_and(|panics| {
                        panics.push(format!("a task panicked: {info}"));
                        true
                    })
                })
            });
            if !kept {
                before(info);
            }
        }));
    });
    PANICS.with(|panics| *panics.borrow_mut() = Some(Vec::new()));
}

/// Those there were; later ones are not kept.
pub(crate) fn take() -> Vec<String> {
    PANICS.with(|panics| panics.borrow_mut().take()).unwrap_or_default()
}

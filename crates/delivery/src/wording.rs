//! The owner's texts of one message. One that fails costs its own wording
//! only: the rest stays, ours stands in its place, and a note says so.

use crate::template::{RenderError, Rendering, Template};
use crate::words::Words;
use openclaw_alert::Notification;
use std::cell::{OnceCell, RefCell};

pub(crate) struct Wording<'w> {
    notification: &'w Notification,
    words: &'w Words<'w>,
    rendering: OnceCell<Rendering>,
    note: RefCell<Option<String>>,
}

impl<'w> Wording<'w> {
    pub(crate) fn new(notification: &'w Notification, words: &'w Words<'w>) -> Self {
        Self { notification, words, rendering: OnceCell::new(), note: RefCell::new(None) }
    }

    /// The text of `template`; `None` where it is unset, fails, or says nothing.
    pub(crate) fn text(&self, key: &str, template: Option<&Template>) -> Option<String> {
        let template = template?;
        match self.rendered(template) {
            Ok(text) => Some(text).filter(|text| !text.trim().is_empty()),
            Err(error) => {
                let note = self.words.note(self.notification, &format!("`{key}`"), &error);
                self.note.borrow_mut().get_or_insert(note);
                None
            }
        }
    }

    fn rendered(&self, template: &Template) -> Result<String, RenderError> {
        if template.is_plain() {
            return Ok(template.source().to_owned());
        }
        self.rendering.get_or_init(|| self.words.rendering(self.notification)).render(template)
    }

    /// What went wrong first, for people.
    pub(crate) fn note(&self) -> Option<String> {
        self.note.borrow().clone()
    }
}

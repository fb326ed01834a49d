//! A command line in the form that the kernel takes.

use std::ffi::{CStr, CString, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;

/// A program and its arguments: at least one word, and none with a NUL byte in it.
#[derive(Debug)]
pub(crate) struct CommandLine {
    words: Vec<CString>,
}

impl CommandLine {
    /// `None` if a word has a NUL byte in it, or if there is no word.
    pub(crate) fn new(words: &[impl AsRef<OsStr>]) -> Option<CommandLine> {
        let words: Result<Vec<CString>, _> = words
            .iter()
            .map(|word| CString::new(word.as_ref().as_bytes()))
            .collect();
        words
            .ok()
            .filter(|words| !words.is_empty())
            .map(|words| CommandLine { words })
    }

    /// The program, for messages.
    pub(crate) fn display(&self) -> String {
        self.program().to_string_lossy().into_owned()
    }

    /// Pointers to the words, with a null pointer at the end. Valid as long as this command line.
    pub(super) fn pointers(&self) -> Vec<*const c_char> {
        let words = self.words.iter().map(|word| word.as_ptr());
        words.chain(std::iter::once(std::ptr::null())).collect()
    }

    pub(super) fn program(&self) -> &CStr {
        self.words.first().map_or(c"", CString::as_c_str)
    }
}

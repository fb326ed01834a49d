//! What a message to `$NOTIFY_SOCKET` says (sd_notify(3)), and which part of it an outer service
//! manager gets. Pure.

/// What a service says about its own administration. These keys are not forwarded, because the
/// service of the outer manager is exitdir-run and not the command.
const UNFORWARDED_KEYS: [&str; 6] = [
    "MAINPID",
    "FDSTORE",
    "FDSTOREREMOVE",
    "FDNAME",
    "FDPOLL",
    "BARRIER",
];

/// What counts in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message<'t> {
    pub(crate) is_ready: bool,
    /// The last one, if there are several.
    pub(crate) status: Option<&'t str>,
}

impl Message<'_> {
    pub(crate) fn read(text: &str) -> Message<'_> {
        let mut message = Message::default();
        for line in text.lines() {
            match line.split_once('=') {
                Some(("READY", "1")) => message.is_ready = true,
                Some(("STATUS", status)) => message.status = Some(status),
                // The other keys are for a service manager.
                Some(_) | None => {}
            }
        }
        message
    }
}

/// The lines that the outer service manager gets, if there are any.
pub(crate) fn forwarded(text: &str) -> Option<String> {
    let is_forwarded = |line: &&str| {
        let key = line.split('=').next();
        key.is_none_or(|key| !UNFORWARDED_KEYS.contains(&key))
    };
    let lines: Vec<&str> = text.lines().filter(is_forwarded).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

//! The status of an HTTP/1 response (RFC 9112, section 4), found in bytes that arrive in any
//! pieces. Pure.

/// What the bytes so far show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatusFound {
    Nothing,
    /// The status of the final response: interim responses (1xx) come before it.
    Status(u16),
    NotHttp,
}

/// `HTTP/1.1 200`: a digit of the response stands in place of each 0.
const FORM: &[u8] = b"HTTP/1.0 000";

/// Takes the bytes of a response. Keeps nothing but the place and the number.
#[derive(Debug, Default)]
pub(super) struct StatusReader {
    place: ResponsePlace,
    status: u16,
}

#[derive(Debug)]
enum ResponsePlace {
    /// So many characters of the form were read.
    Head(usize),
    /// Behind the status of an interim response, up to the empty line that ends it.
    Interim { line_is_empty: bool },
}

impl Default for ResponsePlace {
    fn default() -> ResponsePlace {
        ResponsePlace::Head(0)
    }
}

impl StatusReader {
    pub(super) fn feed(&mut self, bytes: &[u8]) -> StatusFound {
        for byte in bytes {
            match self.take(*byte) {
                StatusFound::Nothing => {}
                found => return found,
            }
        }
        StatusFound::Nothing
    }

    fn take(&mut self, byte: u8) -> StatusFound {
        match self.place {
            ResponsePlace::Head(length) => self.take_head(length, byte),
            ResponsePlace::Interim { line_is_empty } => {
                self.place = match byte {
                    b'\n' if line_is_empty => ResponsePlace::Head(0),
                    b'\n' => ResponsePlace::Interim {
                        line_is_empty: true,
                    },
                    b'\r' => return StatusFound::Nothing,
                    _ => ResponsePlace::Interim {
                        line_is_empty: false,
                    },
                };
                StatusFound::Nothing
            }
        }
    }

    fn take_head(&mut self, length: usize, byte: u8) -> StatusFound {
        let fits = match FORM.get(length) {
            Some(b'0') => byte.is_ascii_digit(),
            form => form == Some(&byte),
        };
        if !fits {
            return StatusFound::NotHttp;
        }
        // The digit of the version is forgotten with the first of the status.
        self.status = self.status % 100 * 10 + u16::from(byte.wrapping_sub(b'0') % 10);
        self.place = ResponsePlace::Head(length + 1);
        if length + 1 < FORM.len() {
            return StatusFound::Nothing;
        }
        match self.status {
            100..=199 => {
                self.place = ResponsePlace::Interim {
                    line_is_empty: false,
                };
                StatusFound::Nothing
            }
            200..=999 => StatusFound::Status(self.status),
            _ => StatusFound::NotHttp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSES: [(&str, StatusFound); 18] = [
        ("HTTP/1.1 200 OK\r\n\r\n", StatusFound::Status(200)),
        ("HTTP/1.0 204", StatusFound::Status(204)),
        ("HTTP/1.1 302 StatusFound\n", StatusFound::Status(302)),
        ("HTTP/1.1 503", StatusFound::Status(503)),
        ("HTTP/1.9 999", StatusFound::Status(999)),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404",
            StatusFound::Status(404),
        ),
        (
            "HTTP/1.1 103 x\r\nLink: HTTP/1.1 200\r\n\r\nHTTP/1.1 102\n\nHTTP/1.1 201",
            StatusFound::Status(201),
        ),
        ("HTTP/1.1 100 Continue\r\nA: b\r\n", StatusFound::Nothing),
        ("HTTP/1.1 199\r\n\r\nSSH", StatusFound::NotHttp),
        ("HTTP/1.1 20", StatusFound::Nothing),
        ("HTTP/1.1 099", StatusFound::NotHttp),
        ("HTTP/1.1 2x0", StatusFound::NotHttp),
        ("HTTP/1.1200 ", StatusFound::NotHttp),
        ("HTTP/2 200 OK", StatusFound::NotHttp),
        ("SSH-2.0-200 ", StatusFound::NotHttp),
        ("220 smtp 200", StatusFound::NotHttp),
        ("\r\nHTTP/1.1 200", StatusFound::NotHttp),
        ("", StatusFound::Nothing),
    ];

    #[test]
    fn a_final_status_is_found_however_the_response_is_cut() {
        for (response, found) in RESPONSES {
            let bytes = response.as_bytes();
            for cut in 0..=bytes.len() {
                let mut reader = StatusReader::default();
                let (first, second) = bytes.split_at(cut);
                let result = match reader.feed(first) {
                    StatusFound::Nothing => reader.feed(second),
                    early => early,
                };
                assert_eq!(result, found, "{response:?} cut at {cut}");
            }
        }
    }
}

//! Lines of a stream of bytes, however it is cut into pieces.

/// No line of a sane server is longer, in bytes.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// A line or event beyond its limit; nothing after it can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Splits at LF, CR and CRLF, drops a byte order mark at the start. Bytes that are no UTF-8 become U+FFFD.
#[derive(Debug)]
pub struct LineSplitter {
    line: Vec<u8>,
    after_cr: bool,
    begun: bool,
    line_bytes_max: usize,
}

impl Default for LineSplitter {
    fn default() -> Self {
        LineSplitter::up_to(LINE_BYTES_MAX)
    }
}

impl LineSplitter {
    /// For lines of at most so many bytes, where a server has sound in them.
    pub fn up_to(line_bytes_max: usize) -> LineSplitter {
        LineSplitter { line: Vec::new(), after_cr: false, begun: false, line_bytes_max }
    }

    pub(super) fn line_bytes_max(&self) -> usize {
        self.line_bytes_max
    }

    /// Takes bytes; each whole line goes to `take`, without its end.
    ///
    /// # Errors
    /// A line beyond the limit, or the error of `take`.
    pub fn push<E: From<TooLong>>(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(&first) = bytes.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + part.len() > self.line_bytes_max {
                return Err(TooLong.into());
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { return Ok(()) };
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            self.take_line(&mut take)?;
        }
        Ok(())
    }

    /// Nothing more will come: what stands without an end is a line as well.
    pub fn finish<E>(&mut self, mut take: impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        if self.line.is_empty() { Ok(()) } else { self.take_line(&mut take) }
    }

    fn take_line<E>(&mut self, take: &mut impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        let line = std::mem::take(&mut self.line);
        let mark = !std::mem::replace(&mut self.begun, true) && line.starts_with(b"\xEF\xBB\xBF");
        let text = String::from_utf8_lossy(&line[if mark { 3 } else { 0 }..]);
        take(&text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_ends_of_lines_are_known_and_the_mark_is_dropped() {
        let mut splitter = LineSplitter::default();
        let mut lines = Vec::new();
        let mut take = |line: &str| {
            lines.push(line.to_owned());
            Ok::<_, TooLong>(())
        };
        for piece in [&b"\xEF\xBB"[..], b"\xBFa\r", b"\nb\rc\n\n", b"d\xFF"] {
            splitter.push(piece, &mut take).unwrap();
        }
        splitter.finish(&mut take).unwrap();
        assert_eq!(lines, ["a", "b", "c", "", "d\u{FFFD}"]);
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_lines(
            bytes in prop::collection::vec(
                prop_oneof![Just(b'\n'), Just(b'\r'), Just(0xEF), Just(0xBB), Just(0xBF), any::<u8>()],
                0..64,
            ),
            size in 1usize..9,
        ) {
            let lines = |size: usize| {
                let (mut splitter, mut lines) = (LineSplitter::default(), Vec::new());
                let mut take = |line: &str| {
                    lines.push(line.to_owned());
                    Ok::<_, TooLong>(())
                };
                for piece in bytes.chunks(size) {
                    splitter.push(piece, &mut take).unwrap();
                }
                splitter.finish(&mut take).unwrap();
                lines
            };
            prop_assert_eq!(lines(size), lines(usize::MAX));
        }
    }

    #[test]
    fn a_line_without_an_end_is_an_error_and_not_memory() {
        let mut splitter = LineSplitter::default();
        let piece = vec![b'x'; 64 << 10];
        let mut push = || splitter.push(&piece, |_| Ok::<_, TooLong>(()));
        assert_eq!((0..16).map(|_| push()).collect::<Vec<_>>(), vec![Ok(()); 16]);
        assert_eq!(push(), Err(TooLong));
    }
}

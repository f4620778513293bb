//! The bytes of a file as libjpeg sees them: in chunks, with markers between.

/// Why decoding cannot continue.
#[derive(Debug)]
pub(super) enum Stop {
    /// More bytes are needed than the portion holds.
    Input,
    /// The file is damaged beyond what libjpeg tolerates.
    Broken(String),
}

pub(super) type Step<T> = Result<T, Stop>;

/// An error of libjpeg.
pub(super) fn broken<T>(why: impl Into<String>) -> Step<T> {
    Err(Stop::Broken(why.into()))
}

/// How many bytes Pillow hands to libjpeg at once (`ImageFile.MAXBLOCK`).
const PORTION: usize = 65_536;

/// A position in a file, and how much of the file libjpeg has been given.
///
/// Where a portion ends affects how a damaged file is decoded: libjpeg then restarts the current block with the next
/// portion, takes a different path through it, and does not look for an end marker beyond it.
#[derive(Clone, Debug)]
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    /// May lie beyond the portion after a skip.
    at: usize,
    end: usize,
    /// A marker that was found but not handled yet; zero for none.
    pub(super) marker: u8,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, end: bytes.len().min(PORTION), marker: 0 }
    }

    /// Takes the next portion; an error if the file has no more.
    pub(super) fn refill(&mut self) -> Step<()> {
        if self.end == self.bytes.len() {
            return broken("the file is truncated");
        }
        self.end = self.bytes.len().min(self.end + PORTION);
        Ok(())
    }

    /// The current position, for [`Input::go_to`].
    pub(super) fn place(&self) -> (usize, u8) {
        (self.at, self.marker)
    }

    pub(super) fn go_to(&mut self, at: usize, marker: u8) {
        (self.at, self.marker) = (at, marker);
    }

    /// Reads something with a `reader` that has a state. If the portion ends in the middle, it is read from its start again,
    /// with the next portion.
    #[inline]
    pub(super) fn again<R, S: Copy>(
        &mut self,
        reader: &mut R,
        state: fn(&mut R) -> &mut S,
        mut read: impl FnMut(&mut R, &mut Self) -> Step<()>,
    ) -> Step<()> {
        let (saved, (at, marker)) = (*state(reader), self.place());
        loop {
            match read(reader, self) {
                Err(Stop::Input) => {
                    *state(reader) = saved;
                    self.go_to(at, marker);
                    self.refill()?;
                }
                other => return other,
            }
        }
    }

    /// How many bytes of the portion are left.
    pub(super) fn left(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    /// The bytes from here on that need no refill.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..self.end).unwrap_or_default()
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.at += count;
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Step<u8> {
        if self.at >= self.end {
            return Err(Stop::Input);
        }
        let byte = self.bytes[self.at];
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn word(&mut self) -> Step<u16> {
        Ok(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    /// Skips to the next marker and remembers it.
    pub(super) fn next_marker(&mut self) -> Step<u8> {
        loop {
            while self.byte()? != 0xff {}
            let mut code = 0xff;
            while code == 0xff {
                code = self.byte()?;
            }
            if code != 0 {
                self.marker = code;
                return Ok(code);
            }
        }
    }

    /// Reads the restart marker number `expected`, or recovers without it (`jpeg_resync_to_restart`).
    pub(super) fn restart_marker(&mut self, expected: u8) -> Step<()> {
        if self.marker == 0 {
            self.next_marker()?;
        }
        let restart = |n: u8| 0xd0 + (n & 7);
        if self.marker == restart(expected) {
            self.marker = 0;
            return Ok(());
        }
        loop {
            let marker = self.marker;
            let is_past = [1, 2].iter().any(|n| marker == restart(expected.wrapping_sub(*n)));
            let is_ahead = [1, 2].iter().any(|n| marker == restart(expected + n));
            if marker < 0xc0 || is_past {
                self.next_marker()?;
            } else {
                // A marker that belongs further on stays, and the data before it are taken to be empty.
                if (0xd0..=0xd7).contains(&marker) && !is_ahead {
                    self.marker = 0;
                }
                return Ok(());
            }
        }
    }
}

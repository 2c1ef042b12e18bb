//! UTF-8: bytes that are known to be text, and a validator that takes them in pieces.
//!
//! §8.1 of RFC 6455 makes invalid text fatal. So text is checked as it arrives, once, and what was
//! checked is not checked again: the types here hold that knowledge.
#![expect(unsafe_code, reason = "from_utf8_unchecked, behind the invariants of Utf8Bytes and Utf8Buffer")]
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

use bytes::Bytes;
use std::borrow::Borrow;
use std::collections::TryReserveError;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// [`Bytes`] that are valid UTF-8: a `str` that is cheap to clone and to send on.
///
/// ```
/// use sansocket::Utf8Bytes;
///
/// let text = Utf8Bytes::from("grüezi");
/// assert_eq!(text.to_uppercase(), "GRÜEZI"); // it derefs to str
/// let also: Utf8Bytes = bytes::Bytes::from_static(b"hello").try_into()?;
/// # assert_eq!(also, "hello");
/// # Ok::<(), sansocket::utf8::InvalidUtf8>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Utf8Bytes {
    /// Invariant: valid UTF-8. Nothing but the constructors below writes this field.
    bytes: Bytes,
}

impl Utf8Bytes {
    /// No text.
    pub const fn new() -> Self {
        Self { bytes: Bytes::new() }
    }

    /// A literal; nothing is copied or allocated.
    pub const fn from_static(text: &'static str) -> Self {
        Self { bytes: Bytes::from_static(text.as_bytes()) }
    }

    /// The text.
    #[inline]
    pub fn as_str(&self) -> &str {
        // SAFETY: the field's invariant.
        unsafe { str::from_utf8_unchecked(&self.bytes) }
    }

    /// The bytes of the text, not copied.
    #[inline]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

impl Deref for Utf8Bytes {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Utf8Bytes {
    fn as_ref(&self) -> &str {
        self
    }
}

impl AsRef<[u8]> for Utf8Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Borrow<str> for Utf8Bytes {
    fn borrow(&self) -> &str {
        self
    }
}

/// As `str` does, so that a map with such keys can be asked for a `&str`.
impl Hash for Utf8Bytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

/// Copies the text.
impl From<&str> for Utf8Bytes {
    fn from(text: &str) -> Self {
        Self { bytes: Bytes::copy_from_slice(text.as_bytes()) }
    }
}

impl From<String> for Utf8Bytes {
    fn from(text: String) -> Self {
        Self { bytes: text.into() }
    }
}

impl From<Utf8Bytes> for Bytes {
    fn from(text: Utf8Bytes) -> Self {
        text.bytes
    }
}

/// Copies the text.
impl From<Utf8Bytes> for String {
    fn from(text: Utf8Bytes) -> Self {
        text.as_str().to_owned()
    }
}

impl TryFrom<Bytes> for Utf8Bytes {
    type Error = InvalidUtf8;

    fn try_from(bytes: Bytes) -> Result<Self, InvalidUtf8> {
        simdutf8::basic::from_utf8(&bytes)?;
        Ok(Self { bytes })
    }
}

impl PartialEq<str> for Utf8Bytes {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Utf8Bytes {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// The bytes are not UTF-8, whatever may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid UTF-8")]
pub struct InvalidUtf8;

impl From<simdutf8::basic::Utf8Error> for InvalidUtf8 {
    fn from(_: simdutf8::basic::Utf8Error) -> Self {
        Self
    }
}

/// The bytes as text, if they are.
///
/// Short ASCII, as most short messages are, is told in line and without a loop.
#[inline(always)]
pub(crate) fn validate(bytes: &[u8]) -> Result<&str, InvalidUtf8> {
    let is_ascii = match bytes.len() {
        129.. => false,
        64.. => ends_are_ascii::<64>(bytes),
        32.. => ends_are_ascii::<32>(bytes),
        16.. => ends_are_ascii::<16>(bytes),
        8.. => ends_are_ascii::<8>(bytes),
        4.. => ends_are_ascii::<4>(bytes),
        _ => bytes.is_ascii(),
    };
    if is_ascii {
        // SAFETY: `is_ascii` is true only if all of `bytes` is ASCII, which is UTF-8. For the middle arms:
        // they have at least `N` bytes and less than `2 * N`, or 128 if `N` is 64, so the first `N` and the
        // last `N` are all of them.
        return Ok(unsafe { str::from_utf8_unchecked(bytes) });
    }
    Ok(simdutf8::basic::from_utf8(bytes)?)
}

/// Whether there are `N` bytes at either end, all of them ASCII.
#[inline(always)]
fn ends_are_ascii<const N: usize>(bytes: &[u8]) -> bool {
    let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) else { return false };
    first.iter().zip(last).fold(0, |all, (a, b)| all | a | b).is_ascii()
}

/// Checks a text that comes in pieces, which may end inside a character. Each byte is looked at once.
///
/// ```
/// use sansocket::utf8::Validator;
///
/// let mut validator = Validator::new();
/// validator.push(b"caf\xC3")?; // é begins
/// assert!(!validator.is_complete());
/// validator.push(b"\xA9")?; // and ends
/// assert!(validator.is_complete());
/// assert!(validator.push(b"\xC0").is_err()); // no character begins so
/// # Ok::<(), sansocket::utf8::InvalidUtf8>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Validator {
    /// The beginning of a character whose end has not come yet; `length` bytes of it count.
    character: [u8; 4],
    length: u8,
}

impl Validator {
    /// A validator that has seen nothing.
    pub const fn new() -> Self {
        Self { character: [0; 4], length: 0 }
    }

    /// Checks the next bytes.
    ///
    /// # Errors
    /// No continuation could make the bytes so far valid. The validator is of no use any more.
    #[inline]
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), InvalidUtf8> {
        while self.length > 0 {
            let Some((&next, rest)) = bytes.split_first() else { return Ok(()) };
            self.push_into_character(next)?;
            bytes = rest;
        }
        let (whole, unfinished) = bytes.split_at(bytes.len() - unfinished_len(bytes));
        simdutf8::basic::from_utf8(whole)?;
        unfinished.iter().try_for_each(|&byte| self.push_into_character(byte))
    }

    /// Whether the text may end here: no character is unfinished.
    pub const fn is_complete(&self) -> bool {
        self.length == 0
    }

    /// How many bytes at the end belong to an unfinished character, 0 to 3.
    pub const fn unfinished(&self) -> usize {
        self.length as usize
    }

    fn push_into_character(&mut self, byte: u8) -> Result<(), InvalidUtf8> {
        let length = usize::from(self.length);
        *self.character.get_mut(length).ok_or(InvalidUtf8)? = byte;
        match str::from_utf8(self.character.get(..=length).unwrap_or_default()) {
            Ok(_) => self.length = 0,
            Err(error) if error.error_len().is_none() => self.length += 1,
            Err(_) => return Err(InvalidUtf8),
        }
        Ok(())
    }
}

/// How many bytes at the end begin a character that needs more than is there.
fn unfinished_len(bytes: &[u8]) -> usize {
    for (i, &byte) in bytes.iter().rev().take(3).enumerate() {
        let needed = match byte {
            0x80..=0xBF => continue,
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0.. => 4,
            _ => 1,
        };
        return if needed > i + 1 { i + 1 } else { 0 };
    }
    0
}

/// A message under construction: storage that grows at its end, and whose text is checked as it does.
#[derive(Default)]
pub(crate) struct Utf8Buffer {
    /// The first `len` bytes are the message so far; what follows is initialised room.
    ///
    /// Invariant: if `validator` is there, it was pushed exactly those `len` bytes, in order, since it
    /// was new, and never refused any. So they are valid UTF-8, but for the unfinished character at
    /// their end. They are never lent mutably.
    storage: Vec<u8>,
    len: usize,
    validator: Option<Validator>,
}

impl Utf8Buffer {
    /// Holds nothing, and has no storage.
    pub(crate) const fn new() -> Self {
        Self { storage: Vec::new(), len: 0, validator: None }
    }

    /// Forgets what it holds and begins a message; the storage is kept.
    pub(crate) fn begin(&mut self, is_text: bool) {
        self.len = 0;
        self.validator = is_text.then(Validator::new);
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// How many bytes fit without growing.
    pub(crate) const fn room_len(&self) -> usize {
        self.storage.len() - self.len
    }

    /// Makes room for `additional` more bytes, and no more than that.
    pub(crate) fn reserve(&mut self, additional: usize) -> Result<(), TryReserveError> {
        if self.room_len() < additional {
            let target = self.len.saturating_add(additional);
            self.storage.try_reserve_exact(target - self.storage.len())?;
            self.storage.resize(target, 0);
        }
        Ok(())
    }

    /// Takes this initialised storage to grow in, whatever is in it; only before anything is there.
    pub(crate) fn adopt(&mut self, storage: Vec<u8>) {
        if self.len == 0 {
            self.storage = storage;
        }
    }

    /// Its storage, which it then has no more; nor the message.
    pub(crate) fn into_storage(self) -> Vec<u8> {
        self.storage
    }

    /// The room behind the message; what is written there is not part of it until it is
    /// [`accept`](Self::accept)ed.
    #[inline]
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.storage.get_mut(self.len..).unwrap_or_default()
    }

    /// Takes the next `n` bytes of the room into the message.
    #[inline]
    pub(crate) fn accept(&mut self, n: usize) -> Result<(), InvalidUtf8> {
        let Some(new) = self.storage.get(self.len..).and_then(|room| room.get(..n)) else {
            return Ok(()); // more than there is room for: nothing to take
        };
        if let Some(validator) = &mut self.validator
            && let Err(error) = validator.push(new)
        {
            self.begin(false);
            return Err(error);
        }
        self.len += n;
        Ok(())
    }

    /// The message so far.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.storage.get(..self.len).unwrap_or_default()
    }

    /// Whether the message may end here: it is not text, or no character is unfinished.
    pub(crate) fn is_complete(&self) -> bool {
        self.validator.as_ref().is_none_or(Validator::is_complete)
    }

    /// How many bytes are there, up to the last whole character of a text.
    pub(crate) fn whole_len(&self) -> usize {
        self.len - self.validator.as_ref().map_or(0, Validator::unfinished)
    }

    /// The message so far, up to the last whole character of a text.
    pub(crate) fn whole(&self) -> &[u8] {
        self.storage.get(..self.whole_len()).unwrap_or_default()
    }

    /// The text so far, up to its last whole character; nothing of a message that is not text.
    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        match self.validator {
            // SAFETY: the invariant of `storage`; `whole_len` leaves the unfinished character out.
            Some(_) => unsafe {
                str::from_utf8_unchecked(self.storage.get(..self.whole_len()).unwrap_or_default())
            },
            None => "",
        }
    }

    /// Drops the beginning of the message, up to the last whole character of a text.
    pub(crate) fn drop_whole(&mut self) {
        let whole = self.whole_len();
        self.storage.copy_within(whole..self.len, 0);
        // The invariant holds: the validator may as well have been pushed only the unfinished character.
        self.len -= whole;
    }

    /// The message so far with its storage, which the buffer then has no more. It may go on.
    pub(crate) fn take(&mut self) -> Bytes {
        let mut storage = std::mem::take(&mut self.storage);
        storage.truncate(self.len);
        // Fragments of unknown number are given room to spare; whoever keeps the message should not.
        if storage.capacity() - storage.len() > storage.len() / 4 {
            storage.shrink_to_fit();
        }
        self.begin(self.validator.is_some());
        storage.into()
    }

    /// The text so far, with its storage if it is complete. It may go on.
    pub(crate) fn take_text(&mut self) -> Utf8Bytes {
        if self.validator.is_none() || !self.is_complete() {
            return self.as_str().into();
        }
        // The invariant of `storage` is the invariant of `Utf8Bytes`.
        Utf8Bytes { bytes: self.take() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_text_is_judged_like_std_wherever_it_is_not_ascii() {
        for len in 0..=140 {
            let ascii = vec![b'a'; len];
            assert_eq!(validate(&ascii), Ok(str::from_utf8(&ascii).unwrap()));
            for at in 0..len {
                for pattern in [&b"\xFF"[..], "é".as_bytes(), "€".as_bytes(), "😀".as_bytes()] {
                    let mut text = ascii.clone();
                    text.splice(at..len.min(at + pattern.len()), pattern.iter().copied());
                    text.truncate(len);
                    assert_eq!(validate(&text).ok(), str::from_utf8(&text).ok(), "{len} at {at}");
                }
            }
        }
    }

    /// What `std` says: valid so far, or not; complete, or not.
    fn expected(bytes: &[u8]) -> Result<bool, InvalidUtf8> {
        match str::from_utf8(bytes) {
            Ok(_) => Ok(true),
            Err(error) if error.error_len().is_none() => Ok(false),
            Err(_) => Err(InvalidUtf8),
        }
    }

    fn in_pieces(pieces: &[&[u8]]) -> Result<bool, InvalidUtf8> {
        let mut validator = Validator::new();
        pieces.iter().try_for_each(|piece| validator.push(piece))?;
        Ok(validator.is_complete())
    }

    fn check(bytes: &[u8]) {
        let expected = expected(bytes);
        assert_eq!(in_pieces(&[bytes]), expected, "{bytes:02x?} whole");
        for cut in 1..bytes.len() {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(in_pieces(&[a, b]), expected, "{bytes:02x?} cut at {cut}");
        }
    }

    #[test]
    fn a_map_can_be_asked_for_a_str() {
        let map = std::collections::HashMap::from([(Utf8Bytes::from("a"), 1)]);
        assert_eq!(map.get("a"), Some(&1));
    }

    #[test]
    fn f_27_every_string_of_one_and_two_bytes_is_judged_like_std() {
        for a in 0..=0xFF {
            check(&[a]);
            for b in 0..=0xFF {
                check(&[a, b]);
            }
        }
    }

    #[test]
    fn f_27_every_string_of_three_bytes_is_judged_like_std() {
        // The second byte decides, so all of the third is told from the middle and ends of its ranges;
        // the release run (`tests/exhaustive.rs`) takes all 2^24.
        for a in 0..=0xFF {
            for b in 0..=0xFF {
                for c in [0x00, 0x7F, 0x80, 0x9F, 0xBF, 0xC0, 0xE2, 0xFF] {
                    check(&[a, b, c]);
                }
            }
        }
    }

    /// The first and the last byte of each class that the grammar tells apart (RFC 3629 §4): ASCII; continuations, by
    /// what may follow E0, ED, F0 and F4; what begins two, three and four bytes; and what begins nothing.
    const CLASSES: [u8; 22] = [
        0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
        0xEF, 0xF0, 0xF1, 0xF4, 0xFF,
    ];

    /// Two bytes of a class are equal to the grammar: so these stand for all 2^32 strings of four bytes.
    #[test]
    fn f_27_strings_of_four_bytes_are_judged_like_std_at_every_boundary() {
        for a in CLASSES.into_iter().chain([0xF3, 0xF5]) {
            for b in CLASSES {
                for c in CLASSES {
                    for d in CLASSES {
                        check(&[a, b, c, d]);
                    }
                }
            }
        }
    }

    /// And without that argument: a fourth byte can only matter where the three before it are the beginning of a
    /// character of four. Any other three are judged by themselves, which is tried out completely above; then the
    /// fourth is the first of the next. So of the 2^32 strings these are left, 5 · 64 · 64 · 256 of them.
    #[test]
    fn f_27_strings_of_four_bytes_that_may_be_one_character_are_judged_like_std() {
        for a in 0xF0..=0xF4 {
            for b in 0x80..=0xBF {
                for c in 0x80..=0xBF {
                    for d in 0..=u8::MAX {
                        check(&[a, b, c, d]);
                    }
                }
            }
        }
    }

    #[test]
    fn every_character_passes_byte_by_byte() {
        for character in '\0'..=char::MAX {
            let mut bytes = [0; 4];
            let bytes = character.encode_utf8(&mut bytes).as_bytes();
            let mut validator = Validator::new();
            for (i, byte) in bytes.iter().enumerate() {
                assert_eq!(validator.push(&[*byte]), Ok(()));
                assert_eq!(validator.unfinished(), if i + 1 < bytes.len() { i + 1 } else { 0 });
            }
        }
    }

    #[test]
    fn a_buffer_lends_text_up_to_its_last_whole_character() {
        let mut buffer = Utf8Buffer::default();
        buffer.begin(true);
        let mut seen = String::new();
        for byte in "a£€😀z".bytes() {
            buffer.reserve(1).unwrap();
            buffer.room()[0] = byte;
            buffer.accept(1).unwrap();
            seen.push_str(buffer.as_str());
            buffer.drop_whole();
        }
        assert_eq!(seen, "a£€😀z");
        assert_eq!(buffer.len(), 0);
    }

    #[test]
    fn a_buffer_that_refused_bytes_is_empty() {
        let mut buffer = Utf8Buffer::default();
        buffer.begin(true);
        buffer.reserve(3).unwrap();
        buffer.room().copy_from_slice(b"ok\xFF");
        assert_eq!(buffer.accept(2), Ok(()));
        assert_eq!(buffer.accept(1), Err(InvalidUtf8));
        assert_eq!((buffer.as_bytes(), buffer.as_str()), (&b""[..], ""));
    }

    #[test]
    fn binary_is_never_text() {
        let mut buffer = Utf8Buffer::default();
        buffer.begin(false);
        buffer.reserve(1).unwrap();
        buffer.room()[0] = 0xFF;
        buffer.accept(1).unwrap();
        assert_eq!((buffer.as_bytes(), buffer.as_str()), (&b"\xFF"[..], ""));
        assert_eq!(buffer.take_text(), "");
        assert_eq!(buffer.take(), &b"\xFF"[..]);
    }
}

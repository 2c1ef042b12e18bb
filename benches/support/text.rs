//! Texts of whatever length.

pub(crate) const ASCII: &str = "The quick brown fox jumps over the lazy dog. ";
pub(crate) const CJK: &str = "天地玄黃，宇宙洪荒。日月盈昃，辰宿列張。";

/// Exactly `size` bytes of this over and over, with full stops behind it where no character fits.
pub(crate) fn of(pattern: &str, size: usize) -> String {
    let mut text = String::with_capacity(size);
    for character in pattern.chars().cycle() {
        if text.len() + character.len_utf8() > size {
            break;
        }
        text.push(character);
    }
    text.extend(std::iter::repeat_n('.', size - text.len()));
    text
}

//! `utf8::Validator`, in pieces, and `Utf8Bytes` against `std`.

use super::delivery;
use crate::support::choices::Choices;
use bytes::Bytes;
use sansocket::Utf8Bytes;
use sansocket::utf8::Validator;

pub fn run(data: &[u8]) {
    let mut choices = Choices::from_bytes(data);
    let delivery = delivery(&mut choices);
    let text = choices.rest();
    let mut validator = Validator::new();
    let mut seen = 0;
    for piece in delivery.pieces(text) {
        seen += piece.len();
        let pushed = validator.push(piece);
        match str::from_utf8(&text[..seen]) {
            Ok(_) => {
                assert!(pushed.is_ok() && validator.is_complete(), "{seen} bytes are text");
                assert_eq!(validator.unfinished(), 0);
            }
            Err(error) if error.error_len().is_none() => {
                assert!(pushed.is_ok() && !validator.is_complete(), "{seen} bytes may become text");
                assert_eq!(validator.unfinished(), seen - error.valid_up_to());
            }
            Err(_) => {
                assert!(pushed.is_err(), "{seen} bytes are no text, whatever follows");
                break;
            }
        }
    }
    let bytes = Bytes::copy_from_slice(text);
    assert_eq!(Utf8Bytes::try_from(bytes).ok().as_deref(), str::from_utf8(text).ok());
}

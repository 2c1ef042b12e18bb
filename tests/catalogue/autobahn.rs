//! The negative cases of Autobahn's test suite, to the byte. Where the suite is content with a dropped
//! connection or with one of several codes, here is the one that is sent. `tests/AUTOBAHN.md` has the numbers
//! of the cases.

use crate::frames::{check, fails, fails_after, text};

const HELLO: &str = "Hello, world!";
/// κόσμε, five characters in eleven bytes.
const KOSME: &str = "CE BA E1 BD B9 CF 83 CE BC CE B5";
const EDITED: &str = "65 64 69 74 65 64";

rows! {
    ab_2_5_a_ping_of_126_bytes { ["89 FE ! 00 7E K FE*126"] => fails(1002); }

    ab_3_reserved_bits {
        [one(0x91, HELLO)] => fails(1002); // 3.1
        [then_ping(one(0xA1, HELLO)), then_ping(one(0xB1, HELLO)), then_ping(one(0xC1, HELLO))]
            => fails_after([text(HELLO)], 1002); // 3.2 to 3.4
        ["D2 88 ! K 00 FF FE FD FC FB 00 FF".to_owned(), one(0xE2, HELLO), one(0xF8, "")]
            => fails(1002); // 3.5 to 3.7
    }

    ab_4_reserved_opcodes {
        [one(0x83, ""), one(0x84, "reserved opcode payload")] => fails(1002); // 4.1.1, 4.1.2
        [then_ping(one(0x85, "")), then_ping(one(0x86, HELLO)), then_ping(one(0x87, HELLO))]
            => fails_after([text(HELLO)], 1002); // 4.1.3 to 4.1.5
        [one(0x8B, ""), one(0x8C, "reserved opcode payload")] => fails(1002); // 4.2.1, 4.2.2
        [then_ping(one(0x8D, "")), then_ping(one(0x8E, HELLO)), then_ping(one(0x8F, HELLO))]
            => fails_after([text(HELLO)], 1002); // 4.2.3 to 4.2.5
    }

    ab_5_fragmented_control_frames {
        [all([one(0x09, "fragment1"), one(0x80, "fragment2")])] => fails(1002); // 5.1
        [all([one(0x0A, "fragment1"), one(0x80, "fragment2")])] => fails(1002); // 5.2
    }
    ab_5_continuations_of_nothing {
        [all([one(0x80, "non-continuation payload"), one(0x81, HELLO)])] => fails(1002); // 5.9 to 5.11
        [all([one(0x00, "non-continuation payload"), one(0x81, HELLO)])] => fails(1002); // 5.12 to 5.14
        [all([one(0x01, "fragment1"), one(0x80, "fragment2"), one(0x00, "fragment3"), one(0x81, "fragment4")])]
            => fails_after([text("fragment1fragment2")], 1002); // 5.15
        [twice([one(0x00, "fragment1"), one(0x01, "fragment2"), one(0x80, "fragment3")])]
            => fails(1002); // 5.16
        [twice([one(0x80, "fragment1"), one(0x01, "fragment2"), one(0x80, "fragment3")])]
            => fails(1002); // 5.17
    }
    ab_5_a_message_inside_a_message {
        [all([one(0x01, "fragment1"), one(0x81, "fragment2")])] => fails(1002); // 5.18
    }

    ab_6_3_invalid_utf8 {
        [format!("81 94 K {KOSME} ED A0 ! 80 {EDITED}")] => fails(1007); // 6.3.1
        [byte_by_byte(&format!("{KOSME} ED A0 ! 80 {EDITED}"))] => fails(1007); // 6.3.2
    }
    // The suite is content if the end of the message shows the error; here the byte that does fails at once.
    ab_6_4_invalid_utf8_fails_at_once {
        [format!("01 8B K {KOSME} | 00 84 K F4 90 ! 80 80 | 80 86 K {EDITED}")] => fails(1007); // 6.4.1
        [format!("01 8C K {KOSME} F4 | 00 81 K 90 ! | 80 88 K 80 80 {EDITED}")] => fails(1007); // 6.4.2
        [format!("81 95 K {KOSME} F4 90 ! 80 80 {EDITED}")] => fails(1007); // 6.4.3, 6.4.4
    }
    ab_6_6_prefixes_that_end_inside_a_character {
        // 6.6.1, .3, .4, .6, .8, .10
        [1, 3, 4, 6, 8, 10].map(|len| whole(KOSME.get(..3 * len).unwrap())) => fails(1007);
    }
    ab_6_8_five_and_six_bytes { ["F8 88 80 80 80", "FC 84 80 80 80 80"].map(whole) => fails(1007); }
    ab_6_10_the_last_of_each_length {
        ["F7 BF BF BF", "FB BF BF BF BF", "FD BF BF BF BF BF"].map(whole) => fails(1007);
    }
    ab_6_11_beyond_the_last_character { ["F4 90 80 80"].map(whole) => fails(1007); } // 6.11.5
    ab_6_12_continuation_bytes {
        ["80", "BF", "80 BF", "80 BF 80", "80 BF 80 BF", "80 BF 80 BF 80", "80 BF 80 BF 80 BF"].map(whole)
            => fails(1007);
        [whole(&hex(0x80..0xBF))] => fails(1007); // 6.12.8
    }
    ab_6_13_first_bytes_alone {
        [0xC0..0xDF, 0xE0..0xEF, 0xF0..0xF7, 0xF8..0xFB, 0xFC..0xFD]
            .map(|bytes| whole(&hex(bytes.flat_map(|byte| [byte, b' '])))) => fails(1007);
    }
    ab_6_14_the_last_byte_is_missing { CUT_SHORT.map(whole) => fails(1007); }
    ab_6_15_many_cut_short { [whole(&CUT_SHORT.join(" "))] => fails(1007); }
    ab_6_16_impossible_bytes { ["FE", "FF", "FE FE FF FF"].map(whole) => fails(1007); }
    ab_6_17_overlong_ascii {
        ["C0 AF", "E0 80 AF", "F0 80 80 AF", "F8 80 80 80 AF", "FC 80 80 80 80 AF"].map(whole) => fails(1007);
    }
    ab_6_18_the_last_overlong_of_each_length {
        ["C1 BF", "E0 9F BF", "F0 8F BF BF", "F8 87 BF BF BF", "FC 83 BF BF BF BF"].map(whole) => fails(1007);
    }
    ab_6_19_overlong_nul {
        ["C0 80", "E0 80 80", "F0 80 80 80", "F8 80 80 80 80", "FC 80 80 80 80 80"].map(whole) => fails(1007);
    }
    ab_6_20_surrogates {
        ["ED A0 80", "ED AD BF", "ED AE 80", "ED AF BF", "ED B0 80", "ED BE 80", "ED BF BF"].map(whole)
            => fails(1007);
    }
    ab_6_21_pairs_of_surrogates {
        ["ED A0 80", "ED AD BF", "ED AE 80", "ED AF BF"].map(|high| whole(&format!("{high} ED B0 80")))
            => fails(1007);
        ["ED A0 80", "ED AD BF", "ED AE 80", "ED AF BF"].map(|high| whole(&format!("{high} ED BF BF")))
            => fails(1007);
    }

    ab_7_3_malformed_close_frames {
        ["88 81 K 61"] => fails(1002); // 7.3.2
        ["88 FE ! 00 7E K 03 E8 2A*124"] => fails(1002); // 7.3.6
    }
    // 7.5.1; the suite takes 1002 as well
    ab_7_5_1_a_reason_that_is_not_utf8 {
        [format!("88 96 K 03 E8 {KOSME} ED A0 80 {EDITED}")] => fails(1007);
    }
    ab_7_9_invalid_close_codes {
        [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999].map(close) => fails(1002);
    }
    ab_7_13_close_codes_beyond_the_last { [5000, 65_535].map(close) => fails(1002); }
}

/// Sequences of two to six bytes without their last one: of zeros, and of ones.
const CUT_SHORT: [&str; 10] = [
    "C0",
    "E0 80",
    "F0 80 80",
    "F8 80 80 80",
    "FC 80 80 80 80",
    "DF",
    "EF BF",
    "F7 BF BF",
    "FB BF BF BF",
    "FD BF BF BF BF",
];

fn hex(bytes: impl IntoIterator<Item = u8>) -> String {
    bytes.into_iter().map(|byte| format!("{byte:02X} ")).collect()
}

/// A frame with this text, of at most 125 bytes.
fn one(first: u8, payload: &str) -> String {
    format!("{first:02X} {:02X} K {}", 0x80 | payload.len(), hex(payload.bytes()))
}

fn all(frames: impl AsRef<[String]>) -> String {
    frames.as_ref().join(" | ")
}

fn twice(frames: [String; 3]) -> String {
    all([all(&frames), all(&frames)])
}

/// A message that is right, the frame that is not, and a ping that is not answered.
fn then_ping(wrong: String) -> String {
    all([one(0x81, HELLO), wrong, one(0x89, "")])
}

/// A text message of these bytes.
fn whole(bytes: &str) -> String {
    format!("81 {:02X} K {bytes}", 0x80 | bytes.split_whitespace().count())
}

/// A text message in fragments of one byte each; the mark stays behind its byte.
fn byte_by_byte(bytes: &str) -> String {
    let mut frames: Vec<String> = Vec::new();
    for word in bytes.split_whitespace() {
        match (word, frames.last_mut()) {
            ("!", Some(last)) => last.push_str(" !"),
            (byte, None) => frames.push(format!("01 81 K {byte}")),
            (byte, Some(_)) => frames.push(format!("00 81 K {byte}")),
        }
    }
    let last = frames.pop().unwrap();
    frames.push(last.replacen("00", "80", 1));
    all(frames)
}

fn close(code: u16) -> String {
    format!("88 82 K {:02X} {:02X}", code >> 8, code & 0xFF)
}

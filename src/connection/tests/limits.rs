//! Limits hold to the byte, for a frame that comes at once and for one that comes slowly.

use super::*;

/// What comes of the frames, in every one of a few deliveries; the same in each.
fn judge(config: &Config, frames: &[Vec<u8>]) -> Result<Vec<String>, ProtocolError> {
    let wire = frames.concat();
    let mut outcomes = [wire.len(), 1, 5].map(|step| {
        let mut server = Connection::new(Role::Server, config.clone());
        let mut seen = Vec::new();
        for piece in wire.chunks(step) {
            server.receive(piece);
            seen.extend(events(&mut server)?);
        }
        Ok(seen)
    });
    assert!(outcomes[1..].iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
    std::mem::replace(&mut outcomes[0], Ok(vec![]))
}

#[test]
fn a_whole_frame_is_held_against_the_limits() {
    let of = |size| [masked(true, Opcode::Binary, &vec![0; size])];
    let frames = Config::new().max_frame_size(10);
    assert_eq!(judge(&frames, &of(10)), Ok(vec!["binary 10".into()]));
    assert_eq!(judge(&frames, &of(11)), Err(ProtocolError::FrameTooLarge));
    let messages = Config::new().max_message_size(10);
    assert_eq!(judge(&messages, &of(10)), Ok(vec!["binary 10".into()]));
    assert_eq!(judge(&messages, &of(11)), Err(ProtocolError::MessageTooLarge));
}

#[test]
fn a_whole_message_of_a_type_that_is_not_accepted_is_refused() {
    for (config, refused, accepted) in [
        (Config::new().text_only(), Opcode::Binary, Opcode::Text),
        (Config::new().binary_only(), Opcode::Text, Opcode::Binary),
    ] {
        assert_eq!(judge(&config, &[masked(true, accepted, b"a")]).unwrap().len(), 1);
        assert_eq!(judge(&config, &[masked(true, refused, b"a")]), Err(ProtocolError::UnsupportedData));
    }
}

#[test]
fn a_streamed_part_holds_what_has_come() {
    let config = Config::new().streaming(true);
    let mut server = Connection::new(Role::Server, config);
    let wire = masked(true, Opcode::Binary, &[5; 200_000]);
    let (mut total, mut parts) = (0, 0);
    for piece in wire.chunks(65 << 10) {
        server.receive(piece);
        while let Some(event) = server.poll_event().unwrap() {
            let Event::BinaryPart { part, .. } = event else { panic!("{event:?}") };
            assert!(!part.is_empty() && part.iter().all(|&byte| byte == 5));
            total += part.len();
            parts += 1;
        }
    }
    assert_eq!(total, 200_000);
    assert!(parts <= 8, "{parts}");
}

use super::{BYE, FAULTS, ROLES, SPEEDS, config, messages};
use crate::support::end::Seen;
use crate::support::net::{Call, Context, Fault, Line, Speed};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use sansocket::asynchronous::{Transport, WebSocket};
use sansocket::{Agreement, CloseFrame, Connection, Message, Role};
use std::io::ErrorKind;

/// The same for a stream of bytes, which also must not end where its peer did not end it. False: it did not come
/// to the fault.
fn play_bytes<T: Transport + From<Line> + Unpin>(
    role: Role,
    speed: Speed,
    (call, n, fault): (Call, usize, Fault),
) -> bool {
    let _context = Context(format!("{role:?} {speed:?} {call:?} {n} {fault:?}"));
    let line = Line::new(role, speed);
    let mut net = line.net();
    (net.fault, net.gives_up) = (Some((call, n, fault)), true);
    let sent: Vec<u8> = messages().iter().flat_map(Message::as_bytes).copied().collect();
    for part in sent.chunks(15_000) {
        net.peer.connection.send(part).unwrap();
    }
    net.peer.connection.close(CloseFrame::from(BYE)).unwrap();
    drop(net);
    let connection = Connection::with_seed(role, config(), Agreement::new(), [3; 32]);
    let mut stream = WebSocket::<T>::from_connection(line.clone(), connection).into_byte_stream();
    let (mut got, mut written, mut buffer) = (Vec::new(), 0, [0; 7000]);
    let (ended, closed) = line.finish(async {
        // The peer's Close frame may come before all is written.
        while written < sent.len()
            && let Ok(n) = stream.write(&sent[written..]).await
        {
            written += n;
        }
        let ended = loop {
            match stream.read(&mut buffer).await {
                Ok(0) => break Ok(()),
                Ok(n) => got.extend_from_slice(&buffer[..n]),
                Err(error) => break Err(error),
            }
        };
        let again = stream.read(&mut buffer).await;
        assert_eq!(
            again.map_err(|error| error.kind()),
            ended.as_ref().map(|()| 0).map_err(|_| ErrorKind::BrokenPipe)
        );
        assert_eq!(stream.write(b"late").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        (ended, stream.close().await)
    });
    while line.net().step() {}
    let net = line.net();
    let info = stream.close_info().unwrap();
    assert!(sent.starts_with(&got), "{} bytes", got.len());
    assert_eq!(ended.is_ok(), got == sent && info.received.code == BYE, "{ended:?} {info:?}");
    let echo: Vec<u8> = net
        .peer
        .seen
        .iter()
        .flat_map(|seen| if let Seen::Binary(bytes) = seen { &bytes[..] } else { &[] })
        .copied()
        .collect();
    assert!(
        sent[..written].starts_with(&echo) && (echo.len() == written || !info.clean),
        "{} of {written}",
        echo.len()
    );
    if net.fault.is_some() || matches!(fault, Fault::Short | Fault::Blocks) {
        assert!(ended.is_ok() && closed.is_ok() && info.clean, "{ended:?} {closed:?} {info:?}");
    }
    net.fault.is_none()
}

pub(crate) fn play_all<T: Transport + From<Line> + Unpin>(can_lie: bool) {
    for (role, speed) in ROLES.into_iter().flat_map(|role| SPEEDS.map(|speed| (role, speed))) {
        for (call, fault) in [Call::Read, Call::Write, Call::Flush, Call::Close]
            .into_iter()
            .flat_map(|call| FAULTS.map(|fault| (call, fault)))
        {
            if fault == Fault::Lies && call == Call::Read && !can_lie {
                continue;
            }
            let made = (0..).take_while(|&n| play_bytes::<T>(role, speed, (call, n, fault))).count();
            println!("{made:4} bytes {role:?} {call:?} {fault:?}");
        }
    }
}

//! A runtime that ends before its connections do.

use crate::hs::R0;
use crate::support::wire::{frame, peer_key};
use crate::tcp;
use sansocket::handshake::client::Request;
use sansocket::tokio as ws;
use sansocket::{Config, Role};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;

/// What a task was doing when its runtime ended.
#[derive(Clone, Copy, Debug)]
enum Doing {
    Accepting,
    Connecting,
    Reading,
    /// From one half, while the other waits to write.
    ReadingAndWriting,
    Writing,
    Closing,
}

use Doing::{Accepting, Closing, Connecting, Reading, ReadingAndWriting, Writing};

async fn work(doing: Doing, stream: tokio::net::TcpStream) {
    if let Connecting = doing {
        let _never = ws::WebSocket::client(stream, Request::new("ws://a/").unwrap(), Config::new()).await;
        return;
    }
    let Ok(mut ws) = ws::accept(stream).await else { return };
    match doing {
        Reading => drop(ws.read().await),
        Writing => while ws.send(vec![7; 1 << 20]).await.is_ok() {},
        Closing => drop(ws.close(None).await),
        _ => {
            let (mut reader, mut writer) = ws.split();
            let writing = tokio::spawn(async move { while writer.send(vec![7; 1 << 20]).await.is_ok() {} });
            let _never = reader.read().await;
            writing.abort();
        }
    }
}

#[test]
fn t_13_tasks_end_with_their_runtime() {
    for threads in [1, 2] {
        for doing in [Accepting, Connecting, Reading, ReadingAndWriting, Writing, Closing] {
            let mut builder =
                if threads == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
            let runtime = builder.enable_all().build().unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().unwrap();
            stream.set_nonblocking(true).unwrap();

            let here = Arc::new(());
            let held = Arc::clone(&here);
            runtime.spawn(async move {
                let stream = tokio::net::TcpStream::from_std(stream).unwrap();
                work(doing, stream).await;
                drop(held);
            });
            match doing {
                Accepting => peer.write_all(&R0.0.as_bytes()[..40]).unwrap(),
                Connecting => {}
                _ => peer.write_all(R0.0.as_bytes()).unwrap(),
            }
            if let Reading = doing {
                peer.write_all(&frame(0x82, peer_key(Role::Server), &[7; 100])[..50]).unwrap();
            }
            // It has begun when it has said something, unless it has nothing to say.
            match doing {
                Accepting => runtime.block_on(tokio::task::yield_now()),
                _ => runtime.block_on(async {
                    let mut peer = peer.try_clone().unwrap();
                    tokio::task::spawn_blocking(move || peer.read_exact(&mut [0; 12]).unwrap())
                        .await
                        .unwrap();
                }),
            }
            let begun = Instant::now();
            drop(runtime);
            assert!(begun.elapsed() < Duration::from_secs(5), "{doing:?}: {:?}", begun.elapsed());
            assert_eq!(Arc::strong_count(&here), 1, "{doing:?}: a task is left");
            tcp::rest(&peer); // ends
        }
    }
}

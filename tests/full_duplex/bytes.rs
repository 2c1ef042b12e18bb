//! Streams of bytes through tokio's own tools.

use super::messages::{both, on_tokio, tokio_pair};
use super::support::load::Progress;
use super::support::random::Xorshift;
use ::tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, copy_bidirectional, duplex, split,
};
use ::tokio::spawn;
use sansocket::tokio::ByteStream;

/// What one end writes follows from a seed.
const SEEDS: [u64; 2] = [1, 2];
const PIECES: [usize; 4] = [1, 300, 70_000, 1 << 20];

/// Writes so many bytes, in pieces of at most `piece`.
async fn write(stream: &mut (impl AsyncWrite + Unpin), seed: u64, mut total: usize, piece: usize) {
    let mut random = Xorshift::new(seed);
    let block = random.bytes(1 << 20);
    let mut at = 0;
    while total > 0 {
        let n = (1 + random.below(piece)).min(total).min(block.len() - at);
        stream.write_all(&block[at..at + n]).await.unwrap();
        at = (at + n) % block.len();
        total -= n;
    }
    stream.flush().await.unwrap();
}

/// Reads as many, and compares them.
async fn read(stream: &mut (impl AsyncRead + Unpin), seed: u64, mut total: usize, progress: &Progress) {
    let block = Xorshift::new(seed).bytes(1 << 20);
    let (mut at, mut buffer) = (0, vec![0; 100_000]);
    while total > 0 {
        let limit = buffer.len().min(total).min(block.len() - at);
        let n = stream.read(&mut buffer[..limit]).await.unwrap();
        assert!(n > 0, "the end, and {total} bytes are missing");
        assert!(buffer[..n] == block[at..at + n], "other bytes than were written");
        at = (at + n) % block.len();
        total -= n;
        progress.add(n);
    }
}

/// Reads and writes at once, in two tasks. The first of the two closes, when it has all.
async fn talk<S>(stream: S, closes: bool, total: usize, piece: usize, progress: Progress)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let [mine, other] = if closes { SEEDS } else { [SEEDS[1], SEEDS[0]] };
    let (mut reader, mut writer) = split(stream);
    let writing = spawn(async move {
        write(&mut writer, mine, total, piece).await;
        writer
    });
    let reading = spawn(async move {
        read(&mut reader, other, total, &progress).await;
        reader
    });
    let (mut writer, mut reader) = ::tokio::try_join!(writing, reading).unwrap();
    if closes {
        writer.shutdown().await.unwrap();
    }
    assert_eq!(reader.read(&mut [0; 10]).await.unwrap(), 0);
}

fn byte_streams() -> [ByteStream<DuplexStream>; 2] {
    tokio_pair().map(sansocket::tokio::WebSocket::into_byte_stream)
}

#[test]
fn in_two_halves() {
    on_tokio("halves of byte streams", async |progress| {
        for (piece, total) in PIECES.into_iter().zip([20 << 10, 1 << 20, 8 << 20, 64 << 20]) {
            let ends = byte_streams().into_iter().zip([true, false]);
            both(ends.map(|(end, closes)| spawn(talk(end, closes, total, piece, progress.clone())))).await;
        }
    });
}

/// Two that know nothing of WebSockets, and between them a tunnel that does.
#[test]
fn through_copy_bidirectional() {
    on_tokio("copy_bidirectional", async |progress| {
        for (piece, total) in PIECES.into_iter().zip([20 << 10, 1 << 20, 8 << 20, 64 << 20]) {
            let tasks = byte_streams().into_iter().zip([true, false]).flat_map(|(mut middle, closes)| {
                let (end, mut to_end) = duplex(300);
                let talking = spawn(talk(end, closes, total, piece, progress.clone()));
                let copying = spawn(async move {
                    let (up, down) = copy_bidirectional(&mut to_end, &mut middle).await.unwrap();
                    assert_eq!((up, down), (total as u64, total as u64));
                });
                [talking, copying]
            });
            both(tasks).await;
        }
    });
}

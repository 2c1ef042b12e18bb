//! TLS over a blocking stream.
//!
//! With rustls a stream can be [cloned](TlsStream::try_clone), for two threads:
//!
//! ```text
//!   reads records        one ClientConnection, locked         encrypts, then
//!   with no lock of ──>  only between system calls,     <──   writes records with no
//!   the other's          to encrypt or decrypt                lock of the other's
//! ```

use super::Stream;
use crate::error::{Error, HandshakeError};
use crate::io::tls::{Library, Tls};
use std::io::{self, IoSlice, Read, Write};
use std::time::{Duration, Instant};

#[cfg(feature = "rustls")]
use {
    crate::io::transport::TryClone,
    ::rustls::ClientConnection,
    bytes::Buf,
    std::io::Cursor,
    std::net::Shutdown,
    std::ops::Range,
    std::sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Runs the TLS handshake over a stream.
pub(super) fn encrypt(tls: Tls, host: &str, stream: Stream, deadline: Instant) -> Result<Stream, Error> {
    let until = Until { stream, deadline: Some(deadline) };
    let encrypted = match tls.library {
        #[cfg(feature = "rustls")]
        Library::Rustls(config) => TlsStream::handshake(config, host, until),
        #[cfg(feature = "native-tls")]
        Library::Native(connector) => native(&connector, host, until),
    };
    encrypted.map_err(|error| if Instant::now() >= deadline { HandshakeError::Timeout.into() } else { error })
}

#[cfg(feature = "native-tls")]
fn native(connector: &::native_tls::TlsConnector, host: &str, until: Until) -> Result<Stream, Error> {
    use crate::error::TlsError;

    match connector.connect(host, until) {
        Ok(mut stream) => {
            stream.get_mut().lift()?;
            Ok(stream.into())
        }
        Err(::native_tls::HandshakeError::Failure(error)) => Err(TlsError::from(error).into()),
        Err(::native_tls::HandshakeError::WouldBlock(_)) => Err(HandshakeError::Timeout.into()),
    }
}

/// A stream whose reads and writes end at the deadline, as long as there is one.
#[derive(Debug)]
pub(super) struct Until {
    stream: Stream,
    deadline: Option<Instant>,
}

impl Until {
    #[cfg(feature = "native-tls")]
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    #[cfg(feature = "native-tls")]
    pub(super) fn stream_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// From here on the deadline is nobody's.
    fn lift(&mut self) -> io::Result<()> {
        self.deadline = None;
        self.stream.set_read_timeout(None)?;
        self.stream.set_write_timeout(None)
    }

    fn bound(&self, set_timeout: fn(&Stream, Option<Duration>) -> io::Result<()>) -> io::Result<()> {
        let Some(deadline) = self.deadline else { return Ok(()) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // A millisecond more, so that the time is up when the socket says so.
        set_timeout(&self.stream, Some(left + Duration::from_millis(1)))
    }
}

impl Read for Until {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.bound(Stream::set_read_timeout)?;
        self.stream.read(buf)
    }
}

impl Write for Until {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.bound(Stream::set_write_timeout)?;
        self.stream.write(buf)
    }

    /// rustls tries only once to say why a handshake has failed, and what it says may be several records.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.bound(Stream::set_write_timeout)?;
        self.stream.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// rustls over a stream.
#[cfg(feature = "rustls")]
#[derive(Debug)]
pub(super) struct TlsStream {
    stream: Stream,
    shared: Arc<Shared>,
}

/// What the handles of one stream share. `received` or `unsent` is locked before `connection`, never after.
#[cfg(feature = "rustls")]
#[derive(Debug)]
struct Shared {
    connection: Mutex<ClientConnection>,
    /// Locked while reading.
    received: Mutex<Received>,
    /// Records that have not left. Locked while writing, so that records leave in their order.
    unsent: Mutex<Cursor<Vec<u8>>>,
}

/// Bytes that the connection has not taken yet.
#[cfg(feature = "rustls")]
#[derive(Debug)]
struct Received {
    buffer: Vec<u8>,
    unread: Range<usize>,
}

#[cfg(feature = "rustls")]
impl TlsStream {
    /// RFC 8446 §5.2: a record is at most 2^14 + 256 bytes long, and has a header of 5.
    const RECORD: usize = (1 << 14) + 256 + 5;

    fn handshake(config: Arc<::rustls::ClientConfig>, host: &str, mut until: Until) -> Result<Stream, Error> {
        use crate::io::tls::{handshake_error, server_name};

        let made = ClientConnection::new(config, server_name(host)?);
        let mut connection = made.map_err(crate::error::TlsError::from)?;
        while connection.is_handshaking() {
            if connection.complete_io(&mut until).map_err(handshake_error)? == (0, 0) {
                return Err(HandshakeError::UnexpectedEof.into());
            }
        }
        until.lift()?;
        let shared = Arc::new(Shared {
            connection: Mutex::new(connection),
            received: Mutex::new(Received { buffer: vec![0; Self::RECORD], unread: 0..0 }),
            unsent: Mutex::default(),
        });
        Ok(Self { stream: until.stream, shared }.into())
    }

    /// What carries it.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Another handle of the same stream.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { stream: self.stream.try_clone()?, shared: Arc::clone(&self.shared) })
    }

    pub(super) fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        if how == Shutdown::Write {
            // RFC 8446 §6.1: "Each party MUST send a "close_notify" alert before closing its write side of the
            // connection, unless it has already sent some error alert."
            let mut unsent = lock(&self.shared.unsent);
            lock(&self.shared.connection).send_close_notify();
            drain(&mut self.stream, &self.shared.connection, &mut unsent)?;
        }
        // Both end when there is no time for that.
        self.stream.shutdown(how)
    }

    /// Encrypts and writes. What was encrypted is taken: if the stream does not, it leaves with the next write
    /// or flush, before anything else is taken.
    fn write_with(
        &mut self,
        encrypt: impl FnOnce(::rustls::Writer<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut unsent = lock(&self.shared.unsent);
        drain(&mut self.stream, &self.shared.connection, &mut unsent)?;
        let taken = encrypt(lock(&self.shared.connection).writer())?;
        match drain(&mut self.stream, &self.shared.connection, &mut unsent) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Err(error)
            }
            _ => Ok(taken),
        }
    }
}

#[cfg(feature = "rustls")]
impl Read for TlsStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Received { buffer, unread } = &mut *lock(&self.shared.received);
        loop {
            let mut connection = lock(&self.shared.connection);
            match connection.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // No close_notify came before the end: see `Stream`.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            if Range::is_empty(unread) {
                drop(connection);
                *unread = 0..self.stream.read(buffer)?;
                connection = lock(&self.shared.connection);
            }
            let mut records = buffer.get(unread.clone()).unwrap_or_default();
            // That there is none tells the connection that the stream has ended.
            unread.start += connection.read_tls(&mut records)?;
            connection
                .process_new_packets()
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
    }
}

#[cfg(feature = "rustls")]
impl Write for TlsStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_with(|mut writer| writer.write(buf))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_with(|mut writer| writer.write_vectored(slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        drain(&mut self.stream, &self.shared.connection, &mut lock(&self.shared.unsent))?;
        self.stream.flush()
    }
}

/// Writes all records that there are.
#[cfg(feature = "rustls")]
fn drain(
    stream: &mut Stream,
    connection: &Mutex<ClientConnection>,
    unsent: &mut Cursor<Vec<u8>>,
) -> io::Result<()> {
    loop {
        if !unsent.has_remaining() {
            unsent.get_mut().clear();
            unsent.set_position(0);
            let mut connection = lock(connection);
            while connection.wants_write() {
                connection.write_tls(unsent.get_mut())?;
            }
        }
        if !unsent.has_remaining() {
            return Ok(());
        }
        match stream.write(unsent.chunk()) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => unsent.advance(n),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(feature = "rustls")]
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

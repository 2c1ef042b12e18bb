use crate::io::transport::TryClone;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// What [`connect`](super::connect) makes a connection over: TCP or a Unix socket, with TLS or without.
///
/// With rustls, that a stream ends without TLS's own ending (`close_notify`) is no error: WebSocket has its
/// Close frame, which says the same.
#[derive(Debug)]
pub struct Stream(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    // Boxed, so that a stream without TLS stays small; and it is another `Stream` that carries it.
    #[cfg(feature = "rustls")]
    Rustls(Box<super::tls::TlsStream>),
    #[cfg(feature = "native-tls")]
    Native(Box<::native_tls::TlsStream<super::tls::Until>>),
}

/// Calls the same of whichever stream it is.
macro_rules! each {
    ($kind:expr, $stream:ident => $call:expr) => {
        match $kind {
            Kind::Tcp($stream) => $call,
            #[cfg(unix)]
            Kind::Unix($stream) => $call,
            #[cfg(feature = "rustls")]
            Kind::Rustls($stream) => $call,
            #[cfg(feature = "native-tls")]
            Kind::Native($stream) => $call,
        }
    };
}

/// Calls the same of whichever socket is at the bottom.
macro_rules! each_socket {
    ($kind:expr, $socket:ident => $call:expr) => {
        match $kind {
            Kind::Tcp($socket) => $call,
            #[cfg(unix)]
            Kind::Unix($socket) => $call,
            #[cfg(feature = "rustls")]
            Kind::Rustls(tls) => {
                let $socket = tls.stream();
                $call
            }
            #[cfg(feature = "native-tls")]
            Kind::Native(tls) => {
                let $socket = tls.get_ref().stream();
                $call
            }
        }
    };
}

impl Stream {
    /// The TCP connection, below TLS if there is TLS; to ask for its addresses, or to set its options.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match &self.0 {
            Kind::Tcp(stream) => Some(stream),
            #[cfg(unix)]
            Kind::Unix(_) => None,
            #[cfg(feature = "rustls")]
            Kind::Rustls(tls) => tls.stream().tcp(),
            #[cfg(feature = "native-tls")]
            Kind::Native(tls) => tls.get_ref().stream().tcp(),
        }
    }

    /// Whether it is encrypted.
    pub fn is_secure(&self) -> bool {
        match &self.0 {
            Kind::Tcp(_) => false,
            #[cfg(unix)]
            Kind::Unix(_) => false,
            #[cfg(feature = "rustls")]
            Kind::Rustls(_) => true,
            #[cfg(feature = "native-tls")]
            Kind::Native(_) => true,
        }
    }

    /// How long a read waits; see [`TcpStream::read_timeout`].
    ///
    /// # Errors
    /// The socket does not say.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        each_socket!(&self.0, socket => socket.read_timeout())
    }

    /// Sets how long a read waits; see [`TcpStream::set_read_timeout`].
    ///
    /// # Errors
    /// The timeout is zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        each_socket!(&self.0, socket => socket.set_read_timeout(timeout))
    }

    /// How long a write waits; see [`TcpStream::write_timeout`].
    ///
    /// # Errors
    /// The socket does not say.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        each_socket!(&self.0, socket => socket.write_timeout())
    }

    /// Sets how long a write waits; see [`TcpStream::set_write_timeout`].
    ///
    /// # Errors
    /// The timeout is zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        each_socket!(&self.0, socket => socket.set_write_timeout(timeout))
    }

    /// Makes reads and writes return at once, or wait again; see [`TcpStream::set_nonblocking`].
    ///
    /// # Errors
    /// The socket refuses.
    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        each_socket!(&self.0, socket => socket.set_nonblocking(on))
    }

    /// Ends one direction or both, as [`TcpStream::shutdown`]. Before the writing direction alone ends, TLS
    /// says so to the peer, for which it may have to wait.
    ///
    /// # Errors
    /// The stream has ended already. [`WouldBlock`](io::ErrorKind::WouldBlock): it has not ended yet.
    pub fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        match &mut self.0 {
            Kind::Tcp(stream) => stream.shutdown(how),
            #[cfg(unix)]
            Kind::Unix(stream) => stream.shutdown(how),
            #[cfg(feature = "rustls")]
            Kind::Rustls(tls) => tls.shutdown(how),
            #[cfg(feature = "native-tls")]
            Kind::Native(tls) => {
                if how == Shutdown::Write {
                    tls.shutdown()?;
                }
                tls.get_mut().stream_mut().shutdown(how)
            }
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self(Kind::Tcp(stream))
    }
}

#[cfg(unix)]
impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self(Kind::Unix(stream))
    }
}

#[cfg(feature = "rustls")]
impl From<super::tls::TlsStream> for Stream {
    fn from(stream: super::tls::TlsStream) -> Self {
        Self(Kind::Rustls(Box::new(stream)))
    }
}

#[cfg(feature = "native-tls")]
impl From<::native_tls::TlsStream<super::tls::Until>> for Stream {
    fn from(stream: ::native_tls::TlsStream<super::tls::Until>) -> Self {
        Self(Kind::Native(Box::new(stream)))
    }
}

/// With native-tls it is [unsupported](io::ErrorKind::Unsupported).
impl TryClone for Stream {
    fn try_clone(&self) -> io::Result<Self> {
        match &self.0 {
            Kind::Tcp(stream) => stream.try_clone().map(Self::from),
            #[cfg(unix)]
            Kind::Unix(stream) => stream.try_clone().map(Self::from),
            #[cfg(feature = "rustls")]
            Kind::Rustls(tls) => tls.try_clone().map(Self::from),
            #[cfg(feature = "native-tls")]
            Kind::Native(_) => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "native-tls is not for two threads"))
            }
        }
    }
}

impl Read for Stream {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        each!(&mut self.0, stream => stream.read(buf))
    }
}

impl Write for Stream {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        each!(&mut self.0, stream => stream.write(buf))
    }

    #[inline]
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        each!(&mut self.0, stream => stream.write_vectored(slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        each!(&mut self.0, stream => stream.flush())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_without_tls_pays_nothing_for_it() {
        assert!(size_of::<Stream>() <= size_of::<TcpStream>() + size_of::<usize>() + size_of::<u32>());
    }
}

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::net::TcpStream;
#[cfg(unix)]
use ::tokio::net::UnixStream;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

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
    Rustls(Box<tokio_rustls::client::TlsStream<Stream>>),
    #[cfg(feature = "native-tls")]
    Native(Box<tokio_native_tls::TlsStream<Stream>>),
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

impl Stream {
    /// The TCP connection, below TLS if there is TLS; to ask for its addresses, or to set its options.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match &self.0 {
            Kind::Tcp(stream) => Some(stream),
            #[cfg(unix)]
            Kind::Unix(_) => None,
            #[cfg(feature = "rustls")]
            Kind::Rustls(stream) => stream.get_ref().0.tcp(),
            #[cfg(feature = "native-tls")]
            Kind::Native(stream) => stream.get_ref().get_ref().get_ref().tcp(),
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
impl From<tokio_rustls::client::TlsStream<Self>> for Stream {
    fn from(stream: tokio_rustls::client::TlsStream<Self>) -> Self {
        Self(Kind::Rustls(Box::new(stream)))
    }
}

#[cfg(feature = "native-tls")]
impl From<tokio_native_tls::TlsStream<Self>> for Stream {
    fn from(stream: tokio_native_tls::TlsStream<Self>) -> Self {
        Self(Kind::Native(Box::new(stream)))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            #[cfg(feature = "rustls")]
            Kind::Rustls(stream) => match Pin::new(stream).poll_read(cx, buf) {
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(()))
                }
                read => read,
            },
            kind => each!(kind, stream => Pin::new(stream).poll_read(cx, buf)),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(&mut self.get_mut().0, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(&mut self.get_mut().0, stream => Pin::new(stream).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        each!(&self.0, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.get_mut().0, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.get_mut().0, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_without_tls_pays_nothing_for_it() {
        assert!(size_of::<Stream>() <= size_of::<TcpStream>() + size_of::<usize>());
    }
}

/// Which end of the connection this is; the two ends frame differently ([RFC 6455 §5.1]).
///
/// [RFC 6455 §5.1]: https://www.rfc-editor.org/rfc/rfc6455#section-5.1
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that connected: "a client MUST mask all frames that it sends to the server".
    Client,
    /// The end that accepted: "A server MUST NOT mask any frames that it sends to the client."
    Server,
}

impl Role {
    /// The role of the other end.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

//! SOCKS 5: RFC 1928, and RFC 1929 for the user name and password.
//!
//! ```text
//!  we send                               it answers
//!  VER NMETHODS METHODS                  VER METHOD
//!  VER ULEN UNAME PLEN PASSWD            VER STATUS                         if it has chosen that method
//!  VER CMD RSV ATYP DST.ADDR DST.PORT    VER REP RSV ATYP BND.ADDR BND.PORT
//! ```

use super::{ProxyError, Step};
use crate::handshake::UrlError;
use crate::handshake::url::Credentials;
use bytes::Bytes;
use std::mem;
use std::net::IpAddr;

/// RFC 1928 §3, VER.
const VERSION: u8 = 5;
/// RFC 1929 §2: "the current version of the subnegotiation, which is X'01'".
const SUBNEGOTIATION: u8 = 1;
/// §3: "X'00' NO AUTHENTICATION REQUIRED".
const NO_AUTHENTICATION: u8 = 0;
/// §3: "X'02' USERNAME/PASSWORD".
const USER_PASSWORD: u8 = 2;
/// §3: "X'FF' NO ACCEPTABLE METHODS".
const NO_ACCEPTABLE: u8 = 0xFF;
/// §4: "CONNECT X'01'".
const CONNECT: u8 = 1;
/// §4: "IP V4 address: X'01'", "DOMAINNAME: X'03'", "IP V6 address: X'04'".
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// One dialogue with the proxy.
pub(super) struct Socks {
    expected: Expected,
    credentials: Option<Credentials>,
    /// Asks for the tunnel.
    request: Bytes,
    /// What has come of the answer: at most 262 bytes.
    answer: Vec<u8>,
}

/// Which answer comes next.
enum Expected {
    Method,
    Status,
    Reply,
}

/// Credentials that RFC 1929 §2 has room for: ULEN and PLEN are "1 to 255".
pub(super) fn check(credentials: Credentials) -> Result<Credentials, UrlError> {
    let fits = |text: &[u8]| (1..=255).contains(&text.len());
    if fits(&credentials.user) && fits(&credentials.password) {
        Ok(credentials)
    } else {
        Err(UrlError::Credentials)
    }
}

impl Socks {
    /// The dialogue, and what begins it.
    pub(super) fn new(
        host: &str,
        port: u16,
        credentials: Option<Credentials>,
    ) -> Result<(Self, Bytes), ProxyError> {
        let greeting: &[u8] = match credentials {
            None => &[VERSION, 1, NO_AUTHENTICATION],
            Some(_) => &[VERSION, 2, NO_AUTHENTICATION, USER_PASSWORD],
        };
        let request = request(host, port)?;
        let socks = Self { expected: Expected::Method, credentials, request, answer: Vec::new() };
        Ok((socks, Bytes::from_static(greeting)))
    }

    /// Takes bytes up to the end of an answer, and gives back what follows.
    pub(super) fn receive<'a>(&mut self, mut bytes: &'a [u8]) -> Result<(Step, &'a [u8]), ProxyError> {
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = rest;
            self.answer.push(byte);
            let step = match self.expected {
                Expected::Method => self.method()?,
                Expected::Status => self.status()?,
                Expected::Reply => self.reply()?,
            };
            if !matches!(step, Step::More) {
                self.answer.clear();
                return Ok((step, bytes));
            }
        }
        Ok((Step::More, bytes))
    }

    /// RFC 1928 §3: "The server selects from one of the methods given in METHODS".
    fn method(&mut self) -> Result<Step, ProxyError> {
        match (&*self.answer, &self.credentials) {
            (&[VERSION], _) => Ok(Step::More),
            (&[VERSION, NO_AUTHENTICATION], _) => Ok(self.connect()),
            (&[VERSION, USER_PASSWORD], Some(credentials)) => {
                self.expected = Expected::Status;
                Ok(Step::Send(login(credentials)))
            }
            // "If the selected METHOD is X'FF', none of the methods listed by the client are acceptable, and
            // the client MUST close the connection."
            (&[VERSION, NO_ACCEPTABLE], _) => Err(ProxyError::NoAcceptableMethod),
            (&[VERSION, _], _) => Err(ProxyError::Malformed("it chose a method that was not offered")),
            _ => Err(ProxyError::Malformed("this is no SOCKS 5")),
        }
    }

    /// RFC 1929 §2: "A STATUS field of X'00' indicates success."
    fn status(&mut self) -> Result<Step, ProxyError> {
        match *self.answer {
            [SUBNEGOTIATION] => Ok(Step::More),
            [SUBNEGOTIATION, 0] => Ok(self.connect()),
            // "If the server returns a `failure' (STATUS value other than X'00') status, it MUST close the
            // connection."
            [SUBNEGOTIATION, _] => Err(ProxyError::Unauthorized),
            _ => Err(ProxyError::Malformed("the version of the authentication is not 1")),
        }
    }

    /// RFC 1928 §6. The address that the proxy is bound to is read over.
    fn reply(&self) -> Result<Step, ProxyError> {
        let (after_type, len) = match &*self.answer {
            [VERSION] | [VERSION, 0] | [VERSION, 0, 0] => return Ok(Step::More),
            // The address says nothing then, and not every proxy sends it.
            [VERSION, reply] => return Err(ProxyError::Socks(*reply)),
            // "Fields marked RESERVED (RSV) must be set to X'00'."
            [VERSION, 0, _] => return Err(ProxyError::Malformed("the reserved byte is not zero")),
            [VERSION, 0, 0, IPV4, rest @ ..] => (rest, 4 + 2),
            [VERSION, 0, 0, IPV6, rest @ ..] => (rest, 16 + 2),
            [VERSION, 0, 0, NAME] => return Ok(Step::More),
            [VERSION, 0, 0, NAME, len, rest @ ..] => (rest, usize::from(*len) + 2),
            [VERSION, 0, 0, ..] => return Err(ProxyError::Malformed("the type of the address is unknown")),
            _ => return Err(ProxyError::Malformed("the version of the reply is not 5")),
        };
        Ok(if after_type.len() < len { Step::More } else { Step::Established })
    }

    fn connect(&mut self) -> Step {
        self.expected = Expected::Reply;
        Step::Send(mem::take(&mut self.request))
    }
}

/// Asks for a tunnel: RFC 1928 §4.
fn request(host: &str, port: u16) -> Result<Bytes, ProxyError> {
    let mut request = vec![VERSION, CONNECT, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(IPV4);
            request.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(IPV6);
            request.extend_from_slice(&address.octets());
        }
        // §5: "The first octet of the address field contains the number of octets of name that follow".
        Err(_) => {
            let len = u8::try_from(host.len()).map_err(|_| ProxyError::HostTooLong)?;
            request.extend_from_slice(&[NAME, len]);
            request.extend_from_slice(host.as_bytes());
        }
    }
    // §4: "desired destination port in network octet order".
    request.extend_from_slice(&port.to_be_bytes());
    Ok(request.into())
}

/// User name and password: RFC 1929 §2.
fn login(Credentials { user, password }: &Credentials) -> Bytes {
    let mut login = vec![SUBNEGOTIATION];
    for text in [user, password] {
        // `check` has seen that it fits.
        login.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        login.extend_from_slice(text);
    }
    login.into()
}

/// What a reply means: RFC 1928 §6, REP.
pub(super) fn reply_text(reply: u8) -> &'static str {
    match reply {
        1 => "general failure",
        2 => "the connection is not allowed by its rules",
        3 => "the network is unreachable",
        4 => "the host is unreachable",
        5 => "the server refuses connections",
        6 => "the time to live is over",
        7 => "the command is not supported",
        8 => "the type of the address is not supported",
        _ => "for an unassigned reason",
    }
}

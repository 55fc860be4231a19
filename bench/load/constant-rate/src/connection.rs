//! One kept connection: a request, its whole answer, the next request.

use crate::arguments::Arguments;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

/// An answer that takes longer counts as none.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Between two attempts to connect, so that a server that is down is not hammered.
const RETRY: Duration = Duration::from_millis(5);
const CHUNK_BYTES: usize = 64 * 1024;

pub struct Connection {
    address: String,
    stream: Option<TcpStream>,
    received: Vec<u8>,
}

impl Connection {
    pub fn new(arguments: &Arguments) -> Self {
        Self {
            address: arguments.address.clone(),
            stream: None,
            received: Vec::with_capacity(CHUNK_BYTES),
        }
    }

    /// The status of the answer, or `None` if there was none; then the next request opens a new connection.
    pub fn ask(&mut self, request: &[u8]) -> Option<u16> {
        let answered = self.exchange(request);
        if answered.is_err() {
            self.stream = None;
            thread::sleep(RETRY);
        }
        answered.ok()
    }

    fn exchange(&mut self, request: &[u8]) -> Result<u16> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(&self.address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                stream
            }
        };
        stream.write_all(request)?;
        let answer = self.read_answer(&mut stream)?;
        if !answer.closes {
            self.stream = Some(stream);
        }
        Ok(answer.status)
    }

    fn read_answer(&mut self, stream: &mut TcpStream) -> Result<Head> {
        self.received.clear();
        loop {
            if let Some(head) = Head::read(&self.received)? {
                while !head.is_whole(&self.received) {
                    self.receive(stream)?;
                }
                return Ok(head);
            }
            self.receive(stream)?;
        }
    }

    fn receive(&mut self, stream: &mut TcpStream) -> Result<()> {
        let length = self.received.len();
        self.received.resize(length + CHUNK_BYTES, 0);
        let count = stream.read(&mut self.received[length..]);
        self.received
            .truncate(length + count.as_ref().map_or(0, |&count| count));
        match count {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

struct Head {
    status: u16,
    /// Where the body begins.
    end: usize,
    /// `None`: the body comes in chunks.
    length: Option<usize>,
    closes: bool,
}

impl Head {
    /// `None` as long as it has not arrived whole.
    fn read(received: &[u8]) -> Result<Option<Self>> {
        let Some(end) = find(received, b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
        let malformed = || Error::from(ErrorKind::InvalidData);
        let status = text
            .get(9..12)
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(malformed)?;
        let field = |name: &str| {
            text.split("\r\n")
                .find_map(|line| line.strip_prefix(name))
                .map(str::trim)
        };
        let length = match field("content-length:") {
            Some(digits) => Some(digits.parse().map_err(|_| malformed())?),
            None if field("transfer-encoding:") == Some("chunked") => None,
            None => Some(0),
        };
        let closes = field("connection:") == Some("close");
        Ok(Some(Self {
            status,
            end: end + 4,
            length,
            closes,
        }))
    }

    fn is_whole(&self, received: &[u8]) -> bool {
        match self.length {
            Some(length) => received.len() >= self.end + length,
            None => received.ends_with(b"0\r\n\r\n"),
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

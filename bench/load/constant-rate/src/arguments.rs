//! The command line, and from it the bytes of every request.

use std::time::Duration;

pub const USAGE: &str = "usage: constant-rate --url http://HOST:PORT/PATH --connections N --rate PER_SECOND --seconds N
  [--warm-up SECONDS] [--patience SECONDS] [--post FILE] [--variety N]
  --rate 0    each connection asks again as soon as it is answered
  --patience  what is due and not sent so long after the end counts as not answered (10)
  --post      the requests are POSTs of JSON with this file as their body
  --variety   {n} in the path is replaced by 0 to N-1 in turn";

/// Headers as an API client sends them: a bare request would flatter everybody.
const HEADERS: &str = "user-agent: bench/1.0 (x86_64; linux)\r\n\
    accept: application/json, text/plain, */*\r\n\
    accept-language: en-GB,en;q=0.9\r\n\
    accept-encoding: identity\r\n\
    authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789\r\n\
    cookie: session=0123456789abcdef; theme=dark\r\n";

const PATIENCE_SECONDS: f64 = 10.0;

pub struct Arguments {
    pub address: String,
    pub connections: u32,
    /// Requests per second of all connections together; 0: as fast as they are answered.
    pub rate: f64,
    pub duration: Duration,
    pub warm_up: Duration,
    /// How long after the end a connection goes on with what was due before it.
    pub patience: Duration,
    requests: Vec<Vec<u8>>,
}

impl Arguments {
    pub fn read(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut given = Given::default();
        let mut words = words;
        while let Some(flag) = words.next() {
            let value = words.next().ok_or_else(|| format!("{flag} needs a value"))?;
            given.set(&flag, value)?;
        }
        given.finish()
    }

    /// The bytes of one request; `index` chooses among the varieties.
    pub fn target(&self, index: u32) -> &[u8] {
        &self.requests[index as usize % self.requests.len()]
    }
}

#[derive(Default)]
struct Given {
    url: String,
    connections: u32,
    rate: f64,
    seconds: f64,
    warm_up: f64,
    patience: Option<f64>,
    post: Option<String>,
    variety: u32,
}

impl Given {
    fn set(&mut self, flag: &str, value: String) -> Result<(), String> {
        match flag {
            "--url" => self.url = value,
            "--post" => self.post = Some(value),
            "--connections" => self.connections = number(flag, &value)?,
            "--variety" => self.variety = number(flag, &value)?,
            "--rate" => self.rate = number(flag, &value)?,
            "--seconds" => self.seconds = number(flag, &value)?,
            "--patience" => self.patience = Some(number(flag, &value)?),
            "--warm-up" => self.warm_up = number(flag, &value)?,
            _ => return Err(format!("{flag} is not known")),
        }
        Ok(())
    }

    fn finish(self) -> Result<Arguments, String> {
        let rest = self
            .url
            .strip_prefix("http://")
            .ok_or("--url must begin with http://")?;
        let (address, path) = rest.split_once('/').ok_or("--url needs a path")?;
        if self.connections == 0 || self.seconds <= 0.0 {
            return Err("--connections and --seconds must be more than 0".into());
        }
        let body = match &self.post {
            Some(file) => Some(std::fs::read(file).map_err(|error| format!("--post {file}: {error}"))?),
            None => None,
        };
        let requests = (0..self.variety.max(1))
            .map(|n| request(address, &path.replace("{n}", &n.to_string()), body.as_deref()))
            .collect();
        Ok(Arguments {
            address: address.to_owned(),
            connections: self.connections,
            rate: self.rate,
            duration: Duration::from_secs_f64(self.seconds),
            warm_up: Duration::from_secs_f64(self.warm_up),
            patience: Duration::from_secs_f64(self.patience.unwrap_or(PATIENCE_SECONDS)),
            requests,
        })
    }
}

fn number<T: std::str::FromStr>(flag: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{flag} takes a number, not {value}"))
}

fn request(address: &str, path: &str, body: Option<&[u8]>) -> Vec<u8> {
    let (method, length) = match body {
        Some(body) => (
            "POST",
            format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()),
        ),
        None => ("GET", String::new()),
    };
    let mut bytes = format!("{method} /{path} HTTP/1.1\r\nhost: {address}\r\n{HEADERS}{length}\r\n").into_bytes();
    bytes.extend_from_slice(body.unwrap_or_default());
    bytes
}

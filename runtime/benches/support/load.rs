//! The load generator: a closed loop over keep-alive connections, on the calling thread.
//!
//! Each connection sends the same HTTP/1.1 request again as soon as it has its whole answer. One thread and one epoll, so
//! that the generator stays on the core it was pinned to. It never sleeps: waking it would be the server's work, since both
//! are on one machine, and on a virtual one a wake-up costs more (10 µs) than many an answer.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use super::answer::{self, Answer};

/// An answer that takes longer than this ends the measurement.
const PATIENCE: Duration = Duration::from_secs(10);

/// What one measurement saw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// Answers with status 200 per second.
    pub(crate) rate: f64,
    /// Half of the answers came within this.
    pub(crate) p50: Duration,
    /// All but a hundredth came within this.
    pub(crate) p99: Duration,
    /// Answers with status 200.
    pub(crate) answers: u64,
    /// Answers with any other status.
    pub(crate) failures: u64,
}

/// A request as it goes over the wire.
pub(crate) struct Request(Vec<u8>);

impl Request {
    /// A GET.
    pub(crate) fn get(path: &str) -> Self {
        Self(format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n").into_bytes())
    }

    /// A POST of JSON.
    pub(crate) fn post(path: &str, json: &str) -> Self {
        Self::post_bytes(path, "application/json", json.as_bytes())
    }

    /// A POST of anything.
    pub(crate) fn post_bytes(path: &str, media_type: &str, body: &[u8]) -> Self {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: {media_type}\r\n");
        let head = format!("{head}content-length: {length}\r\n\r\n");
        Self([head.as_bytes(), body].concat())
    }

    /// The same with a key, for the admin API.
    pub(crate) fn signed(&self, key: &str) -> Self {
        self.with_header("authorization", format_args!("Bearer {key}"))
    }

    /// The same with one more header.
    pub(crate) fn with_header(&self, name: &str, value: impl std::fmt::Display) -> Self {
        let line = self.0.windows(2).position(|pair| pair == b"\r\n").map_or(0, |at| at + 2);
        let (line, rest) = self.0.split_at(line);
        Self([line, format!("{name}: {value}\r\n").as_bytes(), rest].concat())
    }

    /// What goes over the wire.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Asks once and gives the whole answer.
    ///
    /// # Errors
    /// When nothing answers at `server` or what it says is no HTTP.
    pub(crate) fn ask(&self, server: SocketAddr) -> Result<Answer> {
        let mut connection = Connection::open(server)?;
        connection.stream.set_nonblocking(false)?;
        connection.stream.set_read_timeout(Some(PATIENCE))?;
        connection.send(self)?;
        loop {
            connection.receive()?;
            if let Some(answer) = answer::parse(&connection.received)? {
                return Ok(answer);
            }
        }
    }
}

/// Keeps `connections` connections busy for `duration`, each with its one of `requests`.
///
/// # Errors
/// When a connection breaks, an answer is no HTTP, or none comes for ten seconds.
pub(crate) fn run(server: SocketAddr, requests: &[Request], connections: usize, duration: Duration) -> Result<Seen> {
    let mut crowd = Vec::with_capacity(connections);
    for index in 0..connections {
        let request = requests.get(index % requests.len().max(1)).context("nothing to ask")?;
        crowd.push(Member { connection: Connection::open(server)?, request, is_neighbour: false });
    }
    let [tally, _] = drive(server, crowd, duration)?;
    tally.seen(duration)
}

/// Keeps one connection busy with `request`, while `neighbours` others ask for `other`: what they are answered is counted, whatever
/// it is, and where the server closes a connection there is a new one. Returns what the first saw, and the answers of the others.
///
/// # Errors
/// Those of [`run`], for the first connection.
pub(crate) fn run_beside(
    server: SocketAddr,
    request: &Request,
    (other, neighbours): (&Request, usize),
    duration: Duration,
) -> Result<(Seen, u64)> {
    let mut crowd = vec![Member { connection: Connection::open(server)?, request, is_neighbour: false }];
    for _ in 0..neighbours {
        crowd.push(Member { connection: Connection::open(server)?, request: other, is_neighbour: true });
    }
    let [tally, others] = drive(server, crowd, duration)?;
    Ok((tally.seen(duration)?, others.latencies.len() as u64 + others.failures))
}

/// A connection and what it asks.
struct Member<'a> {
    connection: Connection,
    request: &'a Request,
    is_neighbour: bool,
}

/// What the connections of a crowd saw, and what the neighbours among them saw.
fn drive(server: SocketAddr, mut crowd: Vec<Member<'_>>, duration: Duration) -> Result<[Tally; 2]> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (index, member) in crowd.iter().enumerate() {
        watch(&poll, &member.connection, index as u64)?;
    }
    let (mut tally, mut others) = (Tally::default(), Tally::default());
    let begun = Instant::now();
    for member in &mut crowd {
        member.connection.send(member.request)?;
    }
    let mut events = Vec::with_capacity(crowd.len());
    let mut heard = begun;
    loop {
        epoll::wait(&poll, spare_capacity(&mut events), Some(&Timespec::default()))?;
        let now = Instant::now();
        if now - begun >= duration {
            return Ok([tally, others]);
        }
        if !events.is_empty() {
            heard = now;
        } else if now - heard >= PATIENCE {
            bail!("no answer for {} s", PATIENCE.as_secs());
        }
        for event in events.drain(..) {
            let index = event.data.u64();
            let member = crowd.get_mut(usize::try_from(index)?).context("an event for no connection")?;
            if !member.is_neighbour {
                member.connection.turn(member.request, &mut tally)?;
            } else if member.connection.turn(member.request, &mut others).is_err() {
                others.failures += 1;
                member.connection = Connection::open(server)?;
                watch(&poll, &member.connection, index)?;
                member.connection.send(member.request)?;
            }
        }
    }
}

fn watch(poll: impl AsFd, connection: &Connection, index: u64) -> Result<()> {
    epoll::add(poll, &connection.stream, epoll::EventData::new_u64(index), epoll::EventFlags::IN)?;
    Ok(())
}

/// One connection that asks one thing after the other. It does not sleep while it waits, either.
pub(crate) struct Caller(Connection);

impl Caller {
    /// Connects.
    ///
    /// # Errors
    /// When nothing listens.
    pub(crate) fn open(server: SocketAddr) -> Result<Self> {
        Ok(Self(Connection::open(server)?))
    }

    /// Connects one that sleeps while it waits: for [`Caller::wait`], beside others on the same core.
    ///
    /// # Errors
    /// When nothing listens.
    pub(crate) fn patient(server: SocketAddr) -> Result<Self> {
        let connection = Connection::open(server)?;
        connection.stream.set_nonblocking(false)?;
        connection.stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(connection))
    }

    /// The whole answer, and how long it took.
    ///
    /// # Errors
    /// Those of [`Caller::ask`].
    pub(crate) fn wait(&mut self, request: &Request) -> Result<(Answer, Duration)> {
        self.0.send(request)?;
        loop {
            self.0.receive()?;
            if let Some(answer) = answer::parse(&self.0.received)? {
                return Ok((answer, self.0.asked.elapsed()));
            }
        }
    }

    /// The whole answer, and how long it took.
    ///
    /// # Errors
    /// When the connection breaks, the answer is no HTTP, or none comes for ten seconds.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<(Answer, Duration)> {
        self.0.send(request)?;
        loop {
            let is_more = self.0.try_receive()?;
            if is_more && let Some(answer) = answer::parse(&self.0.received)? {
                return Ok((answer, self.0.asked.elapsed()));
            }
            ensure!(self.0.asked.elapsed() < PATIENCE, "no answer for {} s", PATIENCE.as_secs());
        }
    }
}

#[derive(Default)]
struct Tally {
    /// One per answer with status 200, in nanoseconds.
    latencies: Vec<u64>,
    failures: u64,
}

impl Tally {
    fn seen(mut self, time: Duration) -> Result<Seen> {
        self.latencies.sort_unstable();
        let at = |share: f64| {
            let index = (self.latencies.len() as f64 * share) as usize;
            self.latencies.get(index).copied().map(Duration::from_nanos)
        };
        let answers = self.latencies.len() as u64;
        let (Some(p50), Some(p99)) = (at(0.5), at(0.99)) else {
            bail!("no answer with status 200 ({} with others)", self.failures);
        };
        Ok(Seen { rate: answers as f64 / time.as_secs_f64(), p50, p99, answers, failures: self.failures })
    }
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    asked: Instant,
}

impl Connection {
    fn open(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server).with_context(|| format!("connecting to {server}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, received: Vec::with_capacity(16 << 10), asked: Instant::now() })
    }

    /// Reads what is there, and asks again after a whole answer.
    fn turn(&mut self, request: &Request, tally: &mut Tally) -> Result<()> {
        self.receive()?;
        let Some(answer) = answer::measure(&self.received)? else {
            return Ok(());
        };
        if answer.bytes != self.received.len() {
            bail!("{} bytes follow an answer", self.received.len() - answer.bytes);
        }
        match answer.status {
            200 => tally.latencies.push(u64::try_from(self.asked.elapsed().as_nanos())?),
            _ => tally.failures += 1,
        }
        self.send(request)
    }

    fn send(&mut self, request: &Request) -> Result<()> {
        self.received.clear();
        self.asked = Instant::now();
        self.stream.write_all(&request.0).context("sending a request")
    }

    fn receive(&mut self) -> Result<()> {
        ensure!(self.try_receive()?, "receiving an answer: nothing came in time");
        Ok(())
    }

    /// Takes what is there. `false`: nothing yet.
    fn try_receive(&mut self) -> Result<bool> {
        let mut piece = [0; 16 << 10];
        let length = match self.stream.read(&mut piece) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            read => read.context("receiving an answer")?,
        };
        if length == 0 {
            bail!("the server closed a connection");
        }
        self.received.extend_from_slice(piece.get(..length).unwrap_or_default());
        Ok(true)
    }
}

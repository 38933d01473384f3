//! Many decisions a call: ours over HTTP, Redis over its own protocol.

use crate::error::LoadError;
use crate::figures::Samples;
use crate::measure::{Meter, Numbers};
use crate::request::{Connection, KEY, Loopback, RequestArgs, client};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// A bucket as GCRA in Redis: when it will be full again, in microseconds of
/// Redis's clock. ARGV: microseconds a token, microseconds that a burst takes.
const GCRA: &str = "\
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local next = full + ARGV[1]
if next - now > tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', 60000)
return 1";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// `POST` with a list of decisions
    Openclaw,
    /// Redis counts, and nobody compares
    Incr,
    /// Redis keeps a token bucket, in Lua
    Gcra,
}

#[derive(Debug, Args)]
pub(crate) struct BatchArgs {
    /// Address of the server, on this machine
    #[arg(long)]
    to: Loopback,
    #[arg(long)]
    kind: Kind,
    #[command(flatten)]
    request: RequestArgs,
    /// One decision of the body, of which `{decisions}` in it is replaced by many
    #[arg(long, default_value = r#"{"client":"{key}"}"#)]
    decision: String,
    /// The server's processes; their children count with them
    #[arg(long)]
    server: Vec<u32>,
    /// Decisions a call
    #[arg(long, default_value_t = 100)]
    size: usize,
    #[arg(long, default_value_t = 8)]
    connections: usize,
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    #[arg(long, default_value_t = 10_000)]
    clients: usize,
}

/// Figures are those of calls; those of decisions come beside them.
pub(crate) fn run(args: &BatchArgs) -> Result<Value, LoadError> {
    let calls = calls(args)?;
    let meter = Meter::start(&args.server);
    let end = Instant::now() + Duration::from_secs(args.seconds);
    let samples = thread::scope(|scope| {
        let threads: Vec<_> = (0..args.connections)
            .map(|index| {
                let calls = &calls;
                scope.spawn(move || one_connection(args, calls, index, end))
            })
            .collect();
        threads.into_iter().try_fold(Samples::default(), |mut all, thread| {
            all.merge(thread.join().map_err(|_| LoadError::Thread)??);
            Ok::<_, LoadError>(all)
        })
    })?;
    let figures = meter.of(samples)?;
    let size = args.size as f64;
    let (decisions, cpu) = (figures.requests_per_s * size, figures.server_cpu_us / size);
    let load = figures.load_cpu_us / size;
    let mut value = json!({ "decisions_per_s": decisions, "decision_cpu_us": cpu, "decision_load_us": load });
    if let (Some(value), Ok(Value::Object(of_calls))) = (value.as_object_mut(), serde_json::to_value(figures))
    {
        value.extend(of_calls);
    }
    Ok(value)
}

/// Different calls, made before the clock starts.
fn calls(args: &BatchArgs) -> Result<Vec<Vec<u8>>, LoadError> {
    let mut numbers = Numbers::new(args.size);
    let sha = match args.kind {
        Kind::Gcra => load_script(args.to)?,
        Kind::Incr | Kind::Openclaw => String::new(),
    };
    let count = args.clients.div_ceil(args.size).max(1);
    (0..count)
        .map(|_| {
            let clients: Vec<String> = (0..args.size).map(|_| client(numbers.below(args.clients))).collect();
            match args.kind {
                Kind::Openclaw => http_call(args, &clients),
                Kind::Incr => Ok(commands(&clients, |client| vec!["INCR", client])),
                Kind::Gcra => {
                    Ok(commands(&clients, |client| vec!["EVALSHA", &sha, "1", client, "1", "1000000"]))
                }
            }
        })
        .collect()
}

fn http_call(args: &BatchArgs, clients: &[String]) -> Result<Vec<u8>, LoadError> {
    let decisions: Vec<String> = clients.iter().map(|client| args.decision.replace(KEY, client)).collect();
    let body = args.request.body.as_deref().unwrap_or("{decisions}");
    let body = Some(body.replace("{decisions}", &decisions.join(",")));
    Ok(RequestArgs { body, ..args.request.clone() }.template()?.into_bytes())
}

fn commands<'c>(clients: &'c [String], words: impl Fn(&'c str) -> Vec<&'c str>) -> Vec<u8> {
    clients.iter().map(|client| command(&words(client))).collect::<String>().into_bytes()
}

/// A command of Redis's protocol.
fn command(words: &[&str]) -> String {
    let words_text: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{words_text}", words.len())
}

/// Gives the name that Redis knows the script by.
fn load_script(to: Loopback) -> Result<String, LoadError> {
    let mut stream = to.connect()?;
    stream.write_all(command(&["SCRIPT", "LOAD", GCRA]).as_bytes())?;
    let mut answer = [0; 256];
    let count = stream.read(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
    let sha = answer.strip_prefix("$40\r\n").map(|sha| sha.trim_end().to_owned());
    sha.ok_or(LoadError::Refused { answer })
}

fn one_connection(
    args: &BatchArgs,
    calls: &[Vec<u8>],
    index: usize,
    end: Instant,
) -> Result<Samples, LoadError> {
    let mut numbers = Numbers::new(index);
    let mut samples = Samples::default();
    let mut wire = Wire::open(args)?;
    while Instant::now() < end {
        let call = &calls[numbers.below(calls.len())];
        let start = Instant::now();
        let is_good = wire.exchange(call, args.size)?;
        samples.add(start.elapsed(), is_good);
    }
    Ok(samples)
}

enum Wire {
    Http(Connection),
    Redis(TcpStream),
}

impl Wire {
    fn open(args: &BatchArgs) -> Result<Self, LoadError> {
        match args.kind {
            Kind::Openclaw => Connection::open(args.to).map(Self::Http),
            Kind::Incr | Kind::Gcra => args.to.connect().map(Self::Redis),
        }
    }

    fn exchange(&mut self, call: &[u8], size: usize) -> Result<bool, LoadError> {
        match self {
            Self::Http(connection) => {
                connection.send(call)?;
                Ok(connection.answer()?.0.is_good())
            }
            Self::Redis(stream) => {
                stream.write_all(call)?;
                lines(stream, size)
            }
        }
    }
}

/// Reads as many answers of a line each; false where one is an error.
fn lines(stream: &mut TcpStream, count: usize) -> Result<bool, LoadError> {
    let mut buffer = [0; 16 * 1024];
    let mut seen = 0;
    let mut is_good = true;
    while seen < count {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        seen += buffer[..length].iter().filter(|byte| **byte == b'\n').count();
        is_good &= !buffer[..length].contains(&b'-');
    }
    Ok(is_good)
}

#[test]
fn commands_are_redis_own() {
    assert_eq!(command(&["INCR", "a"]), "*2\r\n$4\r\nINCR\r\n$1\r\na\r\n");
    let clients = [client(1), client(2)];
    let text = commands(&clients, |client| vec!["INCR", client]);
    assert_eq!(text.iter().filter(|byte| **byte == b'*').count(), 2);
}

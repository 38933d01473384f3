//! From exec to ready.

use crate::error::LoadError;
use crate::process;
use crate::request::{Connection, Loopback};
use clap::Args;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is asked; a thousandth of a second is all that is shown.
const PAUSE: Duration = Duration::from_micros(200);

#[derive(Debug, Args)]
pub(crate) struct ReadyArgs {
    /// Address of the server, on this machine
    #[arg(long)]
    to: Loopback,
    /// The server's process: no wait once it has ended
    #[arg(long)]
    pid: u32,
    /// Longest wait
    #[arg(long, default_value_t = 30)]
    seconds: u64,
}

/// Waits until somebody listens.
pub(crate) fn ready(args: &ReadyArgs) -> Result<Value, LoadError> {
    let end = Instant::now() + Duration::from_secs(args.seconds);
    while Instant::now() < end && process::is_running(args.pid) {
        if args.to.connect().is_ok() {
            return Ok(json!({ "rss_mib": process::rss_mib(&[args.pid]) }));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(LoadError::NotReady { address: args.to.0.to_string(), seconds: args.seconds })
}

#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// Address that the server will listen on, on this machine
    #[arg(long)]
    to: Loopback,
    /// Answers 2xx once it is ready
    #[arg(long, default_value = "/readyz")]
    path: String,
    /// Longest wait
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The server and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Starts a server, times it, and has it end as an orchestrator would.
pub(crate) fn run(args: &StartArgs) -> Result<Value, LoadError> {
    let start = Instant::now();
    let program = args.command.first().cloned().unwrap_or_default();
    let mut child = Command::new(&program)
        .args(&args.command[1..])
        .stdout(Stdio::null())
        .spawn()
        .map_err(|source| LoadError::Program { program: program.into(), source })?;
    let ready = wait(args, &child, start);
    let rss_mib = process::rss_mib(&[child.id()]);
    end(&mut child)?;
    Ok(json!({ "ready_ms": ready?.as_secs_f64() * 1e3, "rss_mib": rss_mib }))
}

fn wait(args: &StartArgs, child: &Child, start: Instant) -> Result<Duration, LoadError> {
    let end = start + Duration::from_secs(args.seconds);
    while Instant::now() < end && process::is_running(child.id()) {
        if is_ready(args) {
            return Ok(start.elapsed());
        }
        thread::sleep(PAUSE);
    }
    Err(LoadError::NotReady { address: args.to.0.to_string(), seconds: args.seconds })
}

fn is_ready(args: &StartArgs) -> bool {
    let ask = || {
        let mut connection = Connection::open(args.to)?;
        connection.send(format!("GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", args.path).as_bytes())?;
        Ok::<_, LoadError>(connection.answer()?.0.is_good())
    };
    ask().unwrap_or(false)
}

fn end(child: &mut Child) -> Result<(), LoadError> {
    if let Some(pid) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
        // It may have ended by itself.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    child.wait()?;
    Ok(())
}

/// A port that is free now.
pub(crate) fn free_port() -> Result<u16, LoadError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let port = listener.and_then(|listener| listener.local_addr());
    Ok(port.map_err(|source| LoadError::Listen { port: 0, source })?.port())
}

//! A place that plays all tools at once, and lies about what it did.

use super::judge::Told;
use super::tools::{Tool, Tools, asked};
use crate::support::sink::{read_body, read_head};
use crate::support::{Seen, pause};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How long receivers in these tests wait for an answer.
pub(super) const TIMEOUT: Duration = Duration::from_millis(1200);
/// Beyond that, and short enough for a create to be there when it is looked for.
const TOO_LATE: Duration = Duration::from_millis(1600);
/// What signs messages to the webhook.
pub(super) const SIGNED_WITH: [u8; 32] = [7; 32];

/// More lies to one message would only make its pauses longer.
const LIES_PER_MESSAGE: u32 = 3;
/// More in a row would only have the receiver spared for longer.
const LIES_IN_A_ROW: u32 = 5;
/// Each costs all incidents ten seconds.
const LOST_CREATES: u32 = 2;

/// What is answered, and what is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lie {
    /// The truth.
    None,
    /// A yes by its status, a no by its body: for a while, and nobody knows
    /// whether the message was taken.
    NotOk,
    /// The same, and surely not taken.
    NotNow,
    /// 429, come again in a second.
    LimitedForASecond,
    Limited,
    Unavailable,
    /// Takes it and says nothing.
    Hang,
    /// Takes it and says half.
    CutOff,
    /// Leaves before the body has come.
    Unread,
    /// Takes it and says so when nobody listens any more.
    Late,
    /// Carries it out when nobody listens any more.
    Slow,
    /// Takes it; what comes back is somebody else's page.
    Garbage,
    /// Takes it; what comes back isn't even HTTP.
    Gibberish,
    /// No, for good.
    Refused,
}

const LIES: [Lie; 12] = [
    Lie::NotOk,
    Lie::NotNow,
    Lie::LimitedForASecond,
    Lie::Limited,
    Lie::Unavailable,
    Lie::Hang,
    Lie::CutOff,
    Lie::Unread,
    Lie::Late,
    Lie::Slow,
    Lie::Garbage,
    Lie::Gibberish,
];

impl Lie {
    /// Whether the message may have been taken as far as its sender knows;
    /// then it has been in half of the cases.
    fn leaves_open(self) -> bool {
        matches!(self, Self::NotOk | Self::Unavailable)
    }

    fn takes(self) -> bool {
        use Lie::{CutOff, Garbage, Gibberish, Hang, Late, None, Slow};
        matches!(self, None | Hang | CutOff | Late | Slow | Garbage | Gibberish)
    }

    fn may_take(self) -> bool {
        self.takes() || self.leaves_open()
    }
}

/// Small, seeded, good enough to spread things.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

pub(super) struct State {
    random: Random,
    pub(super) tools: Tools,
    /// All that was asked, in the order in which it was carried out.
    pub(super) told: Vec<Told>,
    /// What is wrong with requests in themselves.
    pub(super) faults: Vec<String>,
    pub(super) is_honest: bool,
    /// Paths that refuse for good.
    pub(super) refused: BTreeSet<String>,
    by_message: BTreeMap<String, u32>,
    in_a_row: BTreeMap<String, u32>,
    lost_creates: u32,
    /// Lies told, by tool.
    pub(super) lies: BTreeMap<(Tool, Lie), u32>,
}

impl State {
    fn draw(&mut self, seen: &Seen) -> Lie {
        let place = seen.path.split('?').next().unwrap_or_default();
        if self.refused.contains(place) {
            return Lie::Refused;
        }
        let tool = Tool::of(&seen.path);
        let lie = if self.is_honest || self.random.below(100) >= 45 {
            Lie::None
        } else {
            LIES[self.random.below(LIES.len() as u64) as usize]
        };
        let is_create = tool == Tool::ServiceNow && seen.method == "POST";
        let told = self.by_message.entry(seen.header("idempotency-key").to_owned()).or_default();
        let row = self.in_a_row.entry(place.rsplit_once('/').map_or(place, |(lane, _)| lane).to_owned());
        let row = row.or_default();
        let is_enough = *told >= LIES_PER_MESSAGE
            || *row >= LIES_IN_A_ROW
            || (is_create && lie.may_take() && self.lost_creates >= LOST_CREATES);
        // Only ServiceNow is asked what it has before it is told again.
        let lie = if lie == Lie::Slow && !is_create { Lie::Late } else { lie };
        if lie == Lie::None || is_enough {
            *row = 0;
            return Lie::None;
        }
        (*told, *row) = (*told + 1, *row + 1);
        self.lost_creates += u32::from(is_create && lie.may_take());
        *self.lies.entry((tool, lie)).or_default() += 1;
        lie
    }

    /// Carries it out or not, and notes which. Gives the honest answer.
    fn carry_out(&mut self, seen: &Seen, lie: Lie) -> (u16, Value) {
        let mut call = asked(seen);
        let is_taken = lie.takes() || (lie.leaves_open() && self.random.below(2) == 0);
        let answer = if is_taken { self.tools.take(seen, &mut call) } else { (0, Value::Null) };
        if matches!(Tool::of(&seen.path), Tool::Hook) && !is_signed(seen) {
            self.faults.push(format!("an unsigned message to {}", seen.path));
        }
        self.note(seen, call, is_taken, lie == Lie::None);
        answer
    }

    fn note(&mut self, seen: &Seen, call: super::judge::Call, is_taken: bool, is_yes: bool) {
        let key = seen.header("idempotency-key").to_owned();
        if key.len() != 32 {
            self.faults.push(format!("{} {} has the idempotency key `{key}`", seen.method, seen.path));
        }
        let place = format!("{} {}", seen.method, seen.path);
        let tool = Tool::of(&seen.path);
        self.told.push(Told { at: seen.at, tool, place, key, call, is_taken, is_yes });
    }
}

/// As Standard Webhooks has it.
fn is_signed(seen: &Seen) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(&SIGNED_WITH).unwrap();
    let id = seen.header("webhook-id");
    mac.update(format!("{id}.{}.", seen.header("webhook-timestamp")).as_bytes());
    mac.update(&seen.body);
    let want = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    seen.header("webhook-signature") == want && id == seen.header("idempotency-key")
}

struct Shared {
    state: Mutex<State>,
    stopped: AtomicBool,
}

/// Listens on loopback until it is dropped.
pub(super) struct Liar {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Liar {
    pub(super) fn new(seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Mutex::new(State {
            random: Random::new(seed),
            tools: Tools::default(),
            told: Vec::new(),
            faults: Vec::new(),
            is_honest: false,
            refused: BTreeSet::new(),
            by_message: BTreeMap::new(),
            in_a_row: BTreeMap::new(),
            lost_creates: 0,
            lies: BTreeMap::new(),
        });
        let shared = Arc::new(Shared { state, stopped: AtomicBool::new(false) });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // A broken connection is the server's to deal with.
                std::thread::spawn(move || stream.and_then(|stream| serve(stream, &shared)));
            }
        });
        Self { address, shared }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; if it is gone already, all is well.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(mut seen) = read_head(&mut reader)? {
        let lie = shared.state.lock().unwrap().draw(&seen);
        if lie == Lie::Unread {
            let call = super::judge::Call::Search;
            shared.state.lock().unwrap().note(&seen, call, false, false);
            return Ok(());
        }
        read_body(&mut reader, &mut seen)?;
        if lie == Lie::Slow {
            pause(TOO_LATE);
        }
        let honest = shared.state.lock().unwrap().carry_out(&seen, lie);
        if !answer(&mut writer, Tool::of(&seen.path), lie, &honest)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Says what is to be said. Gives whether the connection stays.
fn answer(writer: &mut TcpStream, tool: Tool, lie: Lie, honest: &(u16, Value)) -> io::Result<bool> {
    let yes = |(status, body): &(u16, Value)| http(*status, "", &body.to_string());
    let said = match lie {
        Lie::None => yes(honest),
        Lie::NotOk => not_ok(tool),
        Lie::NotNow => not_now(tool),
        Lie::LimitedForASecond => http(429, "Retry-After: 1\r\n", ""),
        Lie::Limited => http(429, "", ""),
        Lie::Unavailable => http(503, "", "<html>upstream</html>"),
        Lie::Refused => refused(tool),
        Lie::Garbage => http(200, "", "<html>sign in"),
        Lie::Gibberish => "\u{16}\u{3}\u{1}~~ 200 yes".to_owned(),
        Lie::CutOff => {
            let whole = yes(honest);
            whole[..whole.len() * 2 / 3].to_owned()
        }
        Lie::Late => {
            pause(TOO_LATE);
            yes(honest)
        }
        Lie::Hang | Lie::Slow | Lie::Unread => {
            pause(TOO_LATE);
            String::new()
        }
    };
    writer.write_all(said.as_bytes())?;
    let closes = matches!(lie, Lie::Hang | Lie::Slow | Lie::Late | Lie::CutOff | Lie::Gibberish);
    Ok(!closes)
}

fn http(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn not_ok(tool: Tool) -> String {
    match tool {
        Tool::Slack => http(200, "", r#"{"ok":false,"error":"internal_error"}"#),
        Tool::Telegram => {
            http(200, "", r#"{"ok":false,"error_code":500,"description":"Internal Server Error"}"#)
        }
        Tool::PagerDuty => http(200, "", r#"{"message":"try again"}"#),
        Tool::ServiceNow => {
            http(200, "", r#"{"error":{"message":"Transaction cancelled"},"status":"failure"}"#)
        }
        Tool::Hook => http(500, "", ""),
    }
}

fn not_now(tool: Tool) -> String {
    match tool {
        Tool::Slack => http(200, "", r#"{"ok":false,"error":"ratelimited"}"#),
        Tool::Telegram => http(
            200,
            "",
            r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 1","parameters":{"retry_after":1}}"#,
        ),
        _ => http(429, "", ""),
    }
}

fn refused(tool: Tool) -> String {
    match tool {
        Tool::Slack => http(200, "", r#"{"ok":false,"error":"not_in_channel"}"#),
        _ => http(410, "", ""),
    }
}

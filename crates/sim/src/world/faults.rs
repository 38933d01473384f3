//! What goes wrong with the machine, and how it comes back.

use super::{Bug, Event, World};
use crate::checker::Ms;
use crate::disk::{Faults, PowerLossDisk};
use crate::machine::{Ended, Machine};
use crate::plan::{Crash, Fault, Point};
use std::sync::atomic::Ordering;

impl World {
    pub(super) fn fault(&mut self, fault: Fault) {
        if self.now < self.paused_until {
            return self.schedule(self.paused_until, Event::Fault(fault));
        }
        self.trace(|| format!("{fault:?}"));
        match fault {
            Fault::Crash(crash) => self.crash(crash),
            Fault::CrashAt(point, crash) => self.crash_at = Some((point, crash)),
            Fault::PowerOff(changes, crash) => {
                self.arm(Some(changes), None, Crash { loses_power: true, ..crash });
            }
            Fault::SyncFails(crash) => self.arm(None, Some(1), crash),
            Fault::Restart => self.restart(),
            Fault::Snapshot => self.snapshot(),
            Fault::Pause(ms) => self.pause(ms),
            Fault::Clock(off_ms) => self.set_clock(off_ms),
            Fault::Refuse(source, ms) => self.refuse(source, ms),
            Fault::Reload(tenant) => self.reload(tenant),
            Fault::Silence(tenant, means, ms) => self.silence(tenant, means, ms),
            Fault::EndSilence(tenant) => self.end_silence(tenant),
        }
    }

    pub(super) fn calm_down(&mut self) {
        // The power may be off already, and nobody has noticed.
        if let Some(crash) = self.power_off.filter(|armed| armed.loses_power) {
            self.crash(crash);
        }
        self.disk.set_faults(self.disk_faults());
        (self.crash_at, self.power_off) = (None, None);
    }

    fn disk_faults(&self) -> Faults {
        Faults { short_write_one_in: self.plan.short_writes.then_some(5), ..Faults::default() }
    }

    fn arm(&mut self, power_off_after: Option<u64>, fail_sync_one_in: Option<u64>, crash: Crash) {
        self.disk.set_faults(Faults { power_off_after, fail_sync_one_in, ..self.disk_faults() });
        self.power_off = Some(crash);
        // A snapshot is where a disk is busiest.
        if self.random.one_in(2) {
            self.snapshot();
        }
    }

    /// Ends the process if it was to end here.
    pub(super) fn reached(&mut self, point: Point) -> bool {
        match self.crash_at {
            Some((at, crash)) if at == point && self.machine.is_some() => {
                self.saw(&format!("{point:?}"), 1);
                self.crash(crash);
                true
            }
            _ => false,
        }
    }

    /// The log has failed under the process: by our doing, or not.
    pub(super) fn machine_ended(&mut self, ended: &Ended) {
        match self.power_off {
            Some(crash) => {
                self.saw("power off", 1);
                self.crash(crash);
            }
            None => {
                self.violated("log", format!("the log failed: {}", ended.why));
                self.crash(Crash { loses_power: false, down_ms: 1000 });
            }
        }
    }

    fn crash(&mut self, crash: Crash) {
        if self.machine.is_none() {
            return;
        }
        let loses_power = crash.loses_power || self.power_off.is_some_and(|armed| armed.loses_power);
        self.trace(|| if loses_power { "LOSES POWER".into() } else { "IS KILLED".into() });
        self.stop();
        if loses_power {
            self.disk.power_loss(self.plan.seed ^ self.now);
        } else {
            self.disk.kill();
        }
        let power_off_after = (self.random.one_in(4)).then(|| 1 + self.random.below(40));
        self.schedule(self.now + crash.down_ms, Event::Boot { down_since: self.now, power_off_after });
    }

    /// Everything that was only in memory is gone.
    fn stop(&mut self) {
        self.machine = None;
        self.life += 1;
        self.waiting.clear();
        self.in_flight = 0;
        (self.crash_at, self.power_off) = (None, None);
        self.checker.crashed(self.now);
    }

    pub(super) fn boot(&mut self, down_since: Ms, power_off_after: Option<u64>) {
        self.outcome.boots += 1;
        self.skips_syncs.store(false, Ordering::Relaxed);
        self.disk.set_faults(Faults { power_off_after, ..self.disk_faults() });
        let (tenants, now, seed) = (self.tenants(), self.clock(self.now), self.random.below(u64::MAX));
        let flaws = self.flaws();
        let booted = Machine::boot(self.disk(), &self.plan.options, &tenants, now, seed, flaws);
        match booted {
            Ok(machine) => self.booted(machine, down_since),
            Err(ended) => self.boot_failed(&ended, down_since, power_off_after.is_some()),
        }
    }

    fn booted(&mut self, machine: Machine, down_since: Ms) {
        self.disk.set_faults(self.disk_faults());
        let found = machine.found();
        self.trace(|| format!("runs: {found:?}"));
        self.saw("torn tail", found.torn_tail.into());
        self.saw("snapshot loaded", found.snapshot.into());
        self.saw("frames replayed", found.frames);
        self.skips_syncs.store(self.bug == Some(Bug::SkippedSync), Ordering::Relaxed);
        self.machine = Some(machine);
        self.checker.trouble(None, down_since, self.now);
        self.tick_at = Ms::MAX;
        self.commit_is_due = false;
        self.lose_silences();
        self.commit_soon();
    }

    fn boot_failed(&mut self, ended: &Ended, down_since: Ms, lost_power: bool) {
        self.trace(|| format!("does not start: {}", ended.why));
        self.saw("power off in a start", lost_power.into());
        if lost_power {
            self.disk.power_loss(self.plan.seed ^ self.now);
        } else if self.bug == Some(Bug::SkippedSync) {
            // A new disk: what was on the old one is what the checker asks for.
            self.disk = PowerLossDisk::new(self.now);
        } else {
            return self.violated("log", format!("does not start: {}", ended.why));
        }
        self.schedule(self.now + 100, Event::Boot { down_since, power_off_after: None });
    }

    /// Waits for a moment at which nothing is under way, as a drain does.
    fn restart(&mut self) {
        if self.machine.is_none() {
            return;
        }
        if self.in_flight > 0 && self.restart_tries < 60 {
            self.restart_tries += 1;
            return self.schedule(self.now + 500, Event::Fault(Fault::Restart));
        }
        self.restart_tries = 0;
        self.commit();
        if self.disk.is_off() {
            return; // the next change of the disk tells the process
        }
        self.restart_in_order();
    }

    /// Ends the process and starts another one, which has to know the same.
    pub(super) fn restart_in_order(&mut self) {
        let Some(before) = self.machine.as_ref().map(Machine::state) else { return };
        self.stop();
        self.disk.kill();
        let (disk, options, now) = (self.disk(), self.plan.options.clone(), self.clock(self.now));
        match Machine::recovered(disk, &options, &self.tenants(), now) {
            Ok(after) if after == before => {}
            Ok(_) => self.violated("recovery", "recovery comes to another state than live work".into()),
            Err(ended) => self.violated("recovery", ended.why),
        }
        self.boot(self.now, None);
    }

    pub(super) fn snapshot(&mut self) {
        let Some(machine) = self.machine.as_mut() else { return };
        match machine.snapshot() {
            Ok(durable) => self.settle(durable),
            Err(ended) => self.machine_ended(&ended),
        }
    }

    fn pause(&mut self, ms: Ms) {
        self.commit();
        self.paused_until = self.now + ms;
        self.checker.trouble(None, self.now, self.paused_until);
    }

    fn set_clock(&mut self, off_ms: i64) {
        let back_ms = self.clock_off_ms.saturating_sub(off_ms).max(0) as Ms;
        self.checker.trouble(None, self.now, self.now + back_ms);
        self.clock_off_ms = off_ms;
        self.tick_at = Ms::MAX;
        self.plan_tick();
    }

    fn refuse(&mut self, source: usize, ms: Ms) {
        self.refused_until[source] = self.now + ms;
    }
}

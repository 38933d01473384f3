//! One epoch by several threads. Who works on which part of a batch doesn't
//! show: parts are summed in order.

use super::adam::Adam;
use super::batch::{BATCH, PARTS, PartGradient, Scaled};
use super::kernel::{Block, Kernel, Loss};
use super::parameters::Shape;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// What an epoch goes through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work<'a> {
    pub(super) rows: Scaled<'a>,
    /// Rows in the order of this epoch.
    pub(super) order: &'a [u32],
    pub(super) shape: Shape,
    pub(super) loss: Loss,
}

/// The parameters, and where the batch begins.
type Job = (Arc<Vec<f32>>, usize);
type Parts = Vec<PartGradient>;

impl Work<'_> {
    fn batch(&self, start: usize) -> &[u32] {
        &self.order[start..(start + BATCH).min(self.order.len())]
    }

    /// Takes a step for each batch; gives the summed loss.
    pub(super) fn epoch(self, parameters: &mut Vec<f32>, adam: &mut Adam, rate: f32, threads: usize) -> f64 {
        let threads = threads.clamp(1, PARTS);
        thread::scope(|scope| {
            let others: Vec<_> = (1..threads)
                .map(|thread| {
                    let (jobs, to_do) = sync_channel::<Job>(1);
                    let (done, results) = sync_channel::<Parts>(1);
                    scope.spawn(move || self.serve(thread, threads, &to_do, &done));
                    (jobs, results)
                })
                .collect();
            self.lead(parameters, adam, rate, &others)
        })
    }

    /// Works on its own parts of each batch that comes.
    fn serve(self, thread: usize, threads: usize, to_do: &Receiver<Job>, done: &SyncSender<Parts>) {
        let mut desk = Desk::new(self);
        while let Ok((parameters, start)) = to_do.recv() {
            let parts = desk.work(thread, threads, start, &parameters);
            // Whoever waits for them may have ended.
            if done.send(parts).is_err() {
                return;
            }
        }
    }

    fn lead(
        self,
        parameters: &mut Vec<f32>,
        adam: &mut Adam,
        rate: f32,
        others: &[(SyncSender<Job>, Receiver<Parts>)],
    ) -> f64 {
        let threads = others.len() + 1;
        let mut desk = Desk::new(self);
        let mut all = 0.0;
        for start in (0..self.order.len()).step_by(BATCH) {
            let shared = Arc::new(std::mem::take(parameters));
            for (jobs, _) in others {
                // A thread that has died is noticed below, where its parts are missing.
                jobs.send((Arc::clone(&shared), start)).ok();
            }
            let mut parts = vec![desk.work(0, threads, start, &shared)];
            parts.extend(others.iter().map(|(_, results)| results.recv().unwrap_or_default()));
            *parameters = Arc::unwrap_or_clone(shared);
            let (gradient, loss) = summed(&parts, parameters.len());
            adam.step(parameters, &gradient, rate);
            all += loss;
        }
        all
    }
}

/// Where one thread works.
struct Desk<'a> {
    work: Work<'a>,
    kernel: Kernel,
    block: Block,
}

impl<'a> Desk<'a> {
    fn new(work: Work<'a>) -> Self {
        Self { work, kernel: Kernel::new(work.shape, work.loss), block: Block::default() }
    }

    /// Every part whose turn is this thread's.
    fn work(&mut self, thread: usize, threads: usize, start: usize, parameters: &[f32]) -> Parts {
        let batch = self.work.batch(start);
        (thread..PARTS)
            .step_by(threads)
            .map(|part| {
                let mut sums = PartGradient::default();
                let desk = (&mut self.kernel, &mut self.block);
                sums.work_out(desk, &self.work.rows, (batch, part), parameters);
                sums
            })
            .collect()
    }
}

/// Parts in order: of thread 0, 1, …, 0, 1, …
fn summed(parts: &[Parts], parameters: usize) -> (Vec<f32>, f64) {
    let mut gradient = vec![0.0; parameters];
    let mut loss = 0.0;
    for part in 0..PARTS {
        let Some(sums) = parts[part % parts.len()].get(part / parts.len()) else { continue };
        gradient.iter_mut().zip(&sums.gradient).for_each(|(sum, own)| *sum += own);
        loss += sums.loss;
    }
    (gradient, loss)
}

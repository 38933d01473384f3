//! Rows gathered into blocks, scaled on the way.

use super::Row;
use super::kernel::{BLOCK, Block, Kernel};
use crate::artifact::Scaling;
use openclaw_admission::{FEATURES, Features};

/// Rows between two steps of the weights.
pub(super) const BATCH: usize = 1024;
/// Parts of a batch, summed in order whoever works on them.
pub(super) const PARTS: usize = 4;
const PART: usize = BATCH / PARTS;

/// Rows with what brings them to one size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scaled<'a> {
    pub(super) rows: &'a [Row],
    mean: Features,
    inverse: Features,
}

impl<'a> Scaled<'a> {
    pub(super) fn new(rows: &'a [Row], scaling: &Scaling) -> Self {
        Self { rows, mean: scaling.mean, inverse: scaling.inverse() }
    }

    fn gather(&self, block: &mut Block, rows: impl ExactSizeIterator<Item = usize>) {
        block.weights[rows.len().min(BLOCK)..].fill(0.0);
        for (at, row) in rows.enumerate() {
            let row = &self.rows[row];
            for input in 0..FEATURES {
                block.inputs[input][at] = (row.features[input] - self.mean[input]) * self.inverse[input];
            }
            block.targets[0][at] = row.target[0];
            block.targets[1][at] = row.target[1];
            block.weights[at] = row.weight;
        }
    }

    /// Summed loss of all rows.
    pub(super) fn loss(&self, kernel: &mut Kernel, parameters: &[f32]) -> f64 {
        let mut block = Block::default();
        (0..self.rows.len())
            .step_by(BLOCK)
            .map(|start| {
                self.gather(&mut block, start..(start + BLOCK).min(self.rows.len()));
                kernel.loss(&block, parameters)
            })
            .sum()
    }
}

/// The gradient of a part of a batch, and its loss.
#[derive(Debug, Clone, Default)]
pub(super) struct PartGradient {
    pub(super) gradient: Vec<f32>,
    pub(super) loss: f64,
}

impl PartGradient {
    /// Of the part's rows among those of the batch.
    pub(super) fn work_out(
        &mut self,
        (kernel, block): (&mut Kernel, &mut Block),
        rows: &Scaled<'_>,
        (batch, part): (&[u32], usize),
        parameters: &[f32],
    ) {
        self.gradient.clear();
        self.gradient.resize(parameters.len(), 0.0);
        let each = 1.0 / batch.len() as f32;
        let end = ((part + 1) * PART).min(batch.len());
        let own = &batch[(part * PART).min(end)..end];
        self.loss = own
            .chunks(BLOCK)
            .map(|own| {
                rows.gather(block, own.iter().map(|row| *row as usize));
                kernel.learn(block, parameters, each, &mut self.gradient)
            })
            .sum();
    }
}

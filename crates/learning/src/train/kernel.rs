//! Loss and gradient of a block of rows. Rows lie side by side, so that one
//! instruction works on as many as a register holds; sums over rows run in
//! eight lanes, whatever the register.

use super::parameters::Shape;
use openclaw_admission::{FEATURES, Features, OUTPUTS};

/// Rows in a block.
pub(super) const BLOCK: usize = 128;
const LANES: usize = 8;
/// Inputs whose gradients are summed together, as many as registers allow.
const TOGETHER: usize = 5;

/// One number for each row of a block.
pub(super) type Column = [f32; BLOCK];

/// Rows of a block, column by column; those beyond the last weigh nothing.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) inputs: [Column; FEATURES],
    pub(super) targets: [Column; OUTPUTS],
    pub(super) weights: Column,
}

impl Default for Block {
    fn default() -> Self {
        Self { inputs: [[0.0; BLOCK]; FEATURES], targets: [[0.0; BLOCK]; OUTPUTS], weights: [0.0; BLOCK] }
    }
}

/// What a loss is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loss {
    pub(super) quantiles: [f32; OUTPUTS],
    pub(super) smoothing: f32,
}

/// Works on blocks of one shape of network.
#[derive(Debug)]
pub(super) struct Kernel {
    shape: Shape,
    loss: Loss,
    hidden: Vec<Column>,
    outputs: [Column; OUTPUTS],
    slopes: [Column; OUTPUTS],
}

impl Kernel {
    pub(super) fn new(shape: Shape, loss: Loss) -> Self {
        Self {
            shape,
            loss,
            hidden: vec![[0.0; BLOCK]; shape.hidden],
            outputs: [[0.0; BLOCK]; OUTPUTS],
            slopes: [[0.0; BLOCK]; OUTPUTS],
        }
    }

    /// The block's summed pinball loss.
    pub(super) fn loss(&mut self, block: &Block, parameters: &[f32]) -> f64 {
        self.forward(block, parameters);
        let quantiles = self.loss.quantiles;
        (0..OUTPUTS)
            .map(|output| {
                pinball(&block.targets[output], &self.outputs[output], &block.weights, quantiles[output])
            })
            .sum()
    }

    /// Adds the block's gradient, each row's times `each`; gives its loss.
    pub(super) fn learn(
        &mut self,
        block: &Block,
        parameters: &[f32],
        each: f32,
        gradient: &mut [f32],
    ) -> f64 {
        let loss = self.loss(block, parameters);
        for output in 0..OUTPUTS {
            let quantile = self.loss.quantiles[output];
            let (targets, outputs) = (&block.targets[output], &self.outputs[output]);
            for row in 0..BLOCK {
                let off = targets[row] - outputs[row];
                let side = if off > 0.0 { quantile } else { quantile - 1.0 };
                let near = (off.abs() / self.loss.smoothing).min(1.0);
                self.slopes[output][row] = -side * near * block.weights[row] * each;
            }
            gradient[self.shape.biases() + output] += sum(&self.slopes[output]);
        }
        match self.shape.hidden {
            0 => self.last_of(&block.inputs, gradient),
            _ => self.backward(block, parameters, gradient),
        }
        loss
    }

    fn forward(&mut self, block: &Block, parameters: &[f32]) {
        let shape = self.shape;
        for (output, column) in self.outputs.iter_mut().enumerate() {
            column.fill(parameters[shape.biases() + output]);
        }
        if shape.hidden == 0 {
            for (input, column) in block.inputs.iter().enumerate() {
                add_outputs(&mut self.outputs, column, parameters, shape, input);
            }
        }
        let (units, _) = parameters[..shape.hidden_biases()].as_chunks();
        for (unit, column) in self.hidden.iter_mut().enumerate() {
            activate(column, &block.inputs, &units[unit], parameters[shape.hidden_biases() + unit]);
            add_outputs(&mut self.outputs, column, parameters, shape, unit);
        }
    }

    fn backward(&mut self, block: &Block, parameters: &[f32], gradient: &mut [f32]) {
        let shape = self.shape;
        self.last_of(&self.hidden, gradient);
        for (unit, column) in self.hidden.iter_mut().enumerate() {
            let back = [0, 1].map(|output| parameters[shape.last(output) + unit]);
            for (row, value) in column.iter_mut().enumerate() {
                let slope = self.slopes[0][row] * back[0] + self.slopes[1][row] * back[1];
                *value = if *value > 0.0 { slope } else { 0.0 };
            }
            gradient[shape.hidden_biases() + unit] += sum(column);
            let (inputs, _) = block.inputs.as_chunks::<TOGETHER>();
            let own = gradient[unit * FEATURES..(unit + 1) * FEATURES].chunks_exact_mut(TOGETHER);
            for (inputs, own) in inputs.iter().zip(own) {
                own.iter_mut().zip(dots(inputs, column)).for_each(|(own, dot)| *own += dot);
            }
        }
    }

    /// The gradient of the last layer, whose inputs these are.
    fn last_of(&self, inputs: &[Column], gradient: &mut [f32]) {
        for (at, column) in inputs.iter().enumerate() {
            for (output, dot) in dots(&self.slopes, column).into_iter().enumerate() {
                gradient[self.shape.last(output) + at] += dot;
            }
        }
    }
}

/// Inputs are added in order, as serving does.
fn activate(column: &mut Column, inputs: &[Column; FEATURES], weights: &Features, bias: f32) {
    for (row, out) in column.iter_mut().enumerate() {
        let mut sum = bias;
        for input in 0..FEATURES {
            sum += weights[input] * inputs[input][row];
        }
        *out = if sum > 0.0 { sum } else { 0.0 };
    }
}

fn add_outputs(
    outputs: &mut [Column; OUTPUTS],
    column: &Column,
    parameters: &[f32],
    shape: Shape,
    at: usize,
) {
    for (output, sums) in outputs.iter_mut().enumerate() {
        let weight = parameters[shape.last(output) + at];
        for (sum, value) in sums.iter_mut().zip(column) {
            *sum += weight * value;
        }
    }
}

fn pinball(targets: &Column, outputs: &Column, weights: &Column, quantile: f32) -> f64 {
    let mut losses = [0.0; BLOCK];
    for row in 0..BLOCK {
        let off = targets[row] - outputs[row];
        let side = if off > 0.0 { quantile } else { quantile - 1.0 };
        losses[row] = side * off * weights[row];
    }
    f64::from(sum(&losses))
}

fn sum(column: &Column) -> f32 {
    let mut lanes = [0.0; LANES];
    for part in column.chunks_exact(LANES) {
        lanes.iter_mut().zip(part).for_each(|(lane, value)| *lane += value);
    }
    lanes.iter().sum()
}

/// The product of each of the columns with another.
fn dots<const N: usize>(columns: &[Column; N], with: &Column) -> [f32; N] {
    let mut lanes = [[0.0_f32; LANES]; N];
    for part in 0..BLOCK / LANES {
        for (lanes, column) in lanes.iter_mut().zip(columns) {
            for (lane, sum) in lanes.iter_mut().enumerate() {
                *sum += column[part * LANES + lane] * with[part * LANES + lane];
            }
        }
    }
    lanes.map(|lanes| lanes.iter().sum())
}

//! Steps of each weight after Kingma and Ba (2015).

const FIRST: f32 = 0.9;
const SECOND: f32 = 0.999;
const TINY: f32 = 1e-8;

/// What is remembered of past gradients.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Adam {
    pub(super) mean: Vec<f32>,
    pub(super) square: Vec<f32>,
    /// `FIRST` and `SECOND` to the number of steps.
    pub(super) decayed: [f64; 2],
}

impl Adam {
    pub(super) fn new(parameters: usize) -> Self {
        Self { mean: vec![0.0; parameters], square: vec![0.0; parameters], decayed: [1.0; 2] }
    }

    pub(super) fn step(&mut self, parameters: &mut [f32], gradient: &[f32], rate: f32) {
        self.decayed[0] *= f64::from(FIRST);
        self.decayed[1] *= f64::from(SECOND);
        let [first, second] = self.decayed.map(|decayed| (1.0 - decayed) as f32);
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for ((parameter, gradient), (mean, square)) in parameters.iter_mut().zip(gradient).zip(moments) {
            *mean = FIRST * *mean + (1.0 - FIRST) * gradient;
            *square = SECOND * *square + (1.0 - SECOND) * gradient * gradient;
            *parameter -= rate * (*mean / first) / ((*square / second).sqrt() + TINY);
        }
    }
}

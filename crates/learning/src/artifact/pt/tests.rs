use super::*;
use crate::artifact::tensors::tests::numbered;

#[test]
fn weights_survive() {
    for hidden in [0, 1, 32, 256] {
        let weights = numbered(hidden);
        let file = write(&weights, "model-20261122");
        assert_eq!(read(&file).unwrap(), weights);
        assert_eq!(write(&weights, "model-20261122"), file);
    }
}

use super::*;
use crate::Random;
use crate::artifact::tensors::tests::numbered;

/// `torch.save(nn.Linear(10, 2).state_dict(), path)`, as PyTorch 1.13 pickles it.
const TORCH_LINEAR: &[u8] = b"\x80\x02ccollections\nOrderedDict\nq\0)Rq\x01(X\x06\0\0\0weightq\x02\
    ctorch._utils\n_rebuild_tensor_v2\nq\x03((X\x07\0\0\0storageq\x04ctorch\nFloatStorage\nq\x05X\x01\0\0\0\x30q\x06\
    X\x03\0\0\0cpuq\x07K\x14tq\x08QK\0K\x02K\n\x86q\tK\nK\x01\x86q\n\x89h\0)Rq\x0btq\x0cRq\rX\x04\0\0\0biasq\x0e\
    h\x03((h\x04h\x05X\x01\0\0\0\x31q\x0fh\x07K\x02tq\x10QK\0K\x02\x85q\x11K\x01\x85q\x12\x89h\0)Rq\x13tq\x14Rq\x15\
    u}q\x16X\t\0\0\0_metadataq\x17h\0)Rq\x18X\0\0\0\0q\x19}q\x1aX\x07\0\0\0versionq\x1bK\x01sssb.";

fn bytes_of(numbers: impl IntoIterator<Item = f32>) -> Vec<u8> {
    numbers.into_iter().flat_map(f32::to_le_bytes).collect()
}

/// An archive around a pickle, with two records of 20 and 2 numbers.
fn around(pickle: &[u8]) -> Vec<u8> {
    let mut archive = Writer::default();
    archive.add("archive/data.pkl", pickle);
    archive.add("archive/data/0", &bytes_of((0..20).map(|number| number as f32)));
    archive.add("archive/data/1", &bytes_of([0.5, -0.5]));
    archive.finish()
}

fn refused(pickle: &[u8]) -> String {
    read(&around(pickle)).unwrap_err().to_string()
}

/// PyTorch's pickle with a part replaced.
fn changed(from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = TORCH_LINEAR.windows(from.len()).position(|found| found == from).unwrap();
    [&TORCH_LINEAR[..at], to, &TORCH_LINEAR[at + from.len()..]].concat()
}

#[test]
fn weights_survive() {
    for hidden in [0, 1, 32, 256] {
        let weights = numbered(hidden);
        let file = write(&weights, "model-20261122");
        assert_eq!(read(&file).unwrap(), weights);
        assert_eq!(write(&weights, "model-20261122"), file);
    }
}

#[test]
fn pytorchs_own_pickle_is_read() {
    let Weights::Linear { weight, bias } = read(&around(TORCH_LINEAR)).unwrap() else { unreachable!() };
    assert_eq!(bias, [0.5, -0.5]);
    assert_eq!(weight.as_flattened(), (0..20).map(|number| number as f32).collect::<Vec<_>>());
}

/// `weight.t()` of ten rows shares its numbers, in another order; a bias may be
/// a slice of the same record.
#[test]
fn transposed_and_shared_numbers_are_read() {
    let transposed = changed(b"K\nK\x01\x86q\n", b"K\x01K\x02\x86q\n");
    let Weights::Linear { weight, .. } = read(&around(&transposed)).unwrap() else { unreachable!() };
    assert_eq!(weight[0][..3], [0.0, 2.0, 4.0]);
    assert_eq!(weight[1][..3], [1.0, 3.0, 5.0]);
    let sliced = changed(b"QK\0K\x02\x85", b"QK\x01K\x01\x85");
    assert_eq!(refused(&sliced), "`bias` is a row of 1; expected a row of 2");
    let shared =
        changed(b"X\x01\0\0\0\x31q\x0fh\x07K\x02tq\x10QK\0", b"X\x01\0\0\0\x30q\x0fh\x07K\x14tq\x10QK\x06");
    let Weights::Linear { bias, .. } = read(&around(&shared)).unwrap() else { unreachable!() };
    assert_eq!(bias, [6.0, 7.0]);
}

#[test]
fn other_files_are_refused() {
    let beyond = [
        changed(b"QK\0K\x02K\n", b"QK\x01K\x02K\n"),
        changed(b"K\nK\x01\x86q\n", b"K\x0bK\x01\x86q\n"),
        changed(b"K\nK\x01\x86q\n", b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86q\n"),
        changed(b"K\nK\x01\x86q\n", b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x01\x86q\n"),
        changed(b"K\nK\x01\x86q\n", b"J\xff\xff\xff\xffK\x01\x86q\n"),
    ];
    let mut told: Vec<String> = beyond.iter().map(|pickle| refused(pickle)).collect();
    told.extend([
        refused(&changed(b"K\x02K\n\x86", b"K\x02K\x0c\x86")),
        refused(&changed(b"FloatStorage", b"DoubleStorage")),
        refused(&changed(b"FloatStorage", b"HalfStorage")),
        refused(&changed(b"FloatStorage", b"LongStorage")),
        refused(&changed(b"X\x06\0\0\0weight", b"X\x06\0\0\0wEight")),
        refused(&changed(b"X\x01\0\0\0\x30q\x06", b"X\x01\0\0\0\x37q\x06")),
        refused(&changed(b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch._utils\n_rebuild_parameter\n")),
        refused(b"\x80\x02cposix\nsystem\n(X\x08\0\0\0rm -rf ./tR."),
        refused(b"\x80\x02ctorch.nn.modules.linear\nLinear\nq\0)\x81."),
        refused(b"\x80\x02c__builtin__\neval\n(X\x01\0\0\0\x31tR."),
        refused(b"\x80\x02(iposix\nsystem\n."),
        refused(b"\x80\x02K\x01."),
        refused(b"\x80\x02}X\x05\0\0\0epochK\x03s."),
        refused(b"\x80\x02}X\x05\0\0\0model}s."),
        refused(b"\x80\x02}."),
        refused(b"\x80\x02"),
        refused(b"\x80\x02."),
        refused(b"\x80\x02h\x09."),
        refused(b"\x80\x02u."),
        refused(b""),
        read(b"").unwrap_err().to_string(),
        read(b"{\"a\":1}").unwrap_err().to_string(),
        read(&[0x80, 2, 0x8a, 10]).unwrap_err().to_string(),
        read(b"PK\x03\x04").unwrap_err().to_string(),
        read(&around(TORCH_LINEAR)[..700]).unwrap_err().to_string(),
    ]);
    let mut empty = Writer::default();
    empty.add("x", b"1");
    told.push(read(&empty.finish()).unwrap_err().to_string());
    let mut script = Writer::default();
    script.add("s/constants.pkl", b"");
    script.add("s/data.pkl", b"");
    told.push(read(&script.finish()).unwrap_err().to_string());
    let mut big = Writer::default();
    big.add("b/data.pkl", TORCH_LINEAR);
    big.add("b/byteorder", b"big");
    told.push(read(&big.finish()).unwrap_err().to_string());
    insta::assert_snapshot!(told.join("\n"));
}

fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes[at] = random.bits() as u8,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, b"()}tuRQbhqKJX.\x85\x86\x87\x8a\x93\x94"[random.below(20)]),
            _ => {
                let end = at + random.below(bytes.len() - at);
                let part = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, part);
            }
        }
        bytes.truncate(PICKLE_BYTES_MAX);
    }
}

#[test]
fn damaged_pickles_are_refused_or_whole() {
    let ours = pickled(&of_weights(&numbered(4)));
    let (mut random, mut whole) = (Random::new(0x5eed), 0);
    for round in 0..20_000 {
        let mut pickle = if round % 2 == 0 { TORCH_LINEAR.to_vec() } else { ours.clone() };
        damage(&mut pickle, &mut random);
        if let Ok(weights) = read(&around(&pickle)) {
            // What is read has numbers of the records alone.
            let numbers: Vec<f32> =
                of_weights(&weights).into_iter().flat_map(|tensor| tensor.values).collect();
            assert!(numbers.iter().all(|number| (-0.5..20.0).contains(number)));
            whole += 1;
        }
    }
    assert!(whole > 100, "{whole}: the damage reaches nothing");
}

#[test]
fn damaged_archives_are_refused_or_whole() {
    let weights = numbered(4);
    let file = write(&weights, "m");
    let (mut random, mut refused) = (Random::new(0x5eed), 0);
    for _ in 0..20_000 {
        let mut damaged = file.clone();
        damage(&mut damaged, &mut random);
        match read(&damaged) {
            Ok(read) => assert_eq!(read, weights, "checksums let damage through"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 10_000, "{refused}");
}

/// A pickle that doubles a tuple again and again stays as small as it is.
#[test]
fn pickles_that_grow_do_not() {
    let mut pickle = b"\x80\x02)q\0".to_vec();
    while pickle.len() < PICKLE_BYTES_MAX - 16 {
        pickle.extend(b"h\0h\0\x86q\0");
    }
    pickle.push(b'.');
    assert_eq!(
        refused(&pickle),
        "the file holds a tuple; expected a state dict: save with `torch.save(model.state_dict(), path)`"
    );
}

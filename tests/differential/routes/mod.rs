//! Which receivers a label set reaches, beside `amtool config routes test`.

mod ask;
mod labels;
mod tree;

use crate::random::{Random, seed};
use crate::support::programs::is_there;
use ask::{Answer, amtool, ours, ours_by_words};
use labels::Labels;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tree::Tree;

const TREES: usize = 250;
const SETS_PER_TREE: usize = 8;
/// One process asks for all sets of a tree; of some it is asked by words too.
const BY_WORDS_EVERY: usize = 12;
const SHRINKS_MAX: usize = 300;
const SHOWN_MAX: usize = 5;

/// A tree, a label set, and two answers that differ.
#[derive(Debug, Clone)]
struct Difference {
    number: usize,
    tree: Tree,
    labels: Labels,
    theirs: Answer,
    ours: Answer,
}

#[test]
fn an_alert_reaches_whom_amtool_says() {
    if !is_there("amtool", &["--version"]) {
        return;
    }
    let _alone = crate::alone();
    let (seed, next, found) = (seed(), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let refused = AtomicUsize::new(0);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= TREES {
                return;
            }
            let (differences, is_refused) = compare_tree(seed, number);
            refused.fetch_add(usize::from(is_refused), Ordering::Relaxed);
            found.lock().unwrap().extend(differences);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let found = found.into_inner().unwrap();
    crate::report(&format!(
        "routes: {} cases of {TREES} trees, {} trees refused by both or one, {} differ",
        TREES * SETS_PER_TREE,
        refused.into_inner(),
        found.len()
    ));
    assert!(found.is_empty(), "seed {seed}: {} cases differ\n{}", found.len(), told(&found));
}

/// What differs on one tree, and whether amtool refuses it.
fn compare_tree(seed: u64, number: usize) -> (Vec<Difference>, bool) {
    let mut random = Random::of_case(seed, number);
    let tree = Tree::random(&mut random);
    let sets: Vec<Labels> = (0..SETS_PER_TREE).map(|_| tree.labels(&mut random)).collect();
    let mut ours = ours(&tree, &sets);
    if number.is_multiple_of(BY_WORDS_EVERY) {
        ours[0] = ours_by_words(&tree, &sets[0]);
    }
    let theirs: Vec<Answer> = sets.iter().map(|labels| amtool(&tree, labels)).collect();
    let is_refused = theirs.contains(&Answer::Refused);
    let pairs = sets.into_iter().zip(theirs).zip(ours);
    let differences = pairs
        .filter(|((_, theirs), ours)| theirs != ours)
        .map(|((labels, theirs), ours)| Difference { number, tree: tree.clone(), labels, theirs, ours })
        .collect();
    (differences, is_refused)
}

/// A smaller tree and set that still differ.
fn shrunk(difference: &Difference) -> Difference {
    let mut smallest = difference.clone();
    let mut tries = 0;
    'smaller: loop {
        for (tree, labels) in smaller(&smallest) {
            tries += 1;
            if tries > SHRINKS_MAX {
                return smallest;
            }
            let theirs = amtool(&tree, &labels);
            let ours = ours(&tree, std::slice::from_ref(&labels)).remove(0);
            // A tree that lost what makes it valid shows something else.
            if theirs != ours && (theirs == Answer::Refused) == (smallest.theirs == Answer::Refused) {
                smallest = Difference { tree, labels, theirs, ours, ..smallest };
                continue 'smaller;
            }
        }
        return smallest;
    }
}

fn smaller(from: &Difference) -> Vec<(Tree, Labels)> {
    let trees = from.tree.smaller().into_iter().map(|tree| (tree, from.labels.clone()));
    let sets = labels::smaller(&from.labels).into_iter().map(|labels| (from.tree.clone(), labels));
    trees.chain(sets).collect()
}

fn told(found: &[Difference]) -> String {
    let mut told = String::new();
    let mut shown: Vec<&Difference> = found.iter().collect();
    shown.dedup_by_key(|difference| difference.number);
    for difference in shown.into_iter().take(SHOWN_MAX) {
        let Difference { number, tree, labels, theirs, ours } = shrunk(difference);
        let _ = writeln!(
            told,
            "tree {number}\n{}labels: {}\namtool: {theirs:?}\nours:   {ours:?}\n",
            tree.yaml(),
            labels::json(&labels)
        );
    }
    told
}

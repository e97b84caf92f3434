//! `CancellationToken`: a tree of flags, of which whole branches are set.

use std::collections::BTreeMap;

use heist_sync::CancellationToken;

use crate::driver::{Futures, check};

#[derive(Debug, Clone, Copy)]
enum Op {
    Child,
    Clone,
    Leave,
    Cancel,
    Wait,
    Poll,
    Drop,
}

const OPS: &[Op] = &[
    Op::Child,
    Op::Child,
    Op::Clone,
    Op::Leave,
    Op::Cancel,
    Op::Wait,
    Op::Wait,
    Op::Poll,
    Op::Poll,
    Op::Drop,
];

/// A node of the account's tree.
struct Node {
    parent: Option<usize>,
    cancelled: bool,
}

#[test]
fn tokens_agree_with_their_account() {
    check(OPS, 80, |steps| {
        let mut nodes = vec![Node {
            parent: None,
            cancelled: false,
        }];
        let mut tokens = vec![(CancellationToken::new(), 0)];
        let mut futures: Futures<'_, ()> = Futures::new();
        // Of which node, and whether it sleeps.
        let mut waiting: BTreeMap<usize, (usize, bool)> = BTreeMap::new();
        for (op, n) in steps {
            let token = (!tokens.is_empty()).then(|| n % tokens.len().max(1));
            match (op, token, futures.some(*n)) {
                (Op::Child, Some(i), _) => {
                    let (token, node) = &tokens[i];
                    let cancelled = nodes[*node].cancelled;
                    let child = (token.child_token(), nodes.len());
                    nodes.push(Node {
                        parent: Some(*node),
                        cancelled,
                    });
                    tokens.push(child);
                }
                (Op::Clone, Some(i), _) => tokens.push(tokens[i].clone()),
                (Op::Leave, Some(i), _) => drop(tokens.swap_remove(i)),
                (Op::Cancel, Some(i), _) => {
                    tokens[i].0.cancel();
                    nodes[tokens[i].1].cancelled = true;
                    // Parents come before their children.
                    for number in 0..nodes.len() {
                        let above = nodes[number].parent.is_some_and(|at| nodes[at].cancelled);
                        nodes[number].cancelled |= above;
                    }
                    let told = waiting
                        .iter_mut()
                        .filter(|(_, (node, asleep))| *asleep && nodes[*node].cancelled);
                    let told: Vec<_> = told
                        .map(|(number, (_, asleep))| {
                            *asleep = false;
                            *number
                        })
                        .collect();
                    assert_eq!(futures.woken(), told);
                }
                (Op::Wait, Some(i), _) => {
                    let (token, node) = tokens[i].clone();
                    let number = futures.add(token.cancelled_owned());
                    waiting.insert(number, (node, false));
                }
                (Op::Poll, _, Some(number)) => {
                    let node = waiting[&number].0;
                    let cancelled = nodes[node].cancelled;
                    assert_eq!(futures.poll(number).is_ready(), cancelled);
                    if cancelled {
                        waiting.remove(&number);
                    } else {
                        waiting.insert(number, (node, true));
                    }
                }
                (Op::Drop, _, Some(number)) => {
                    futures.drop(number);
                    waiting.remove(&number);
                }
                _ => {}
            }
            assert!(futures.woken().is_empty(), "woken for nothing");
            for (token, node) in &tokens {
                assert_eq!(token.is_cancelled(), nodes[*node].cancelled);
            }
        }
    });
}

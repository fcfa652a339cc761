//! The contract's rules of allocation, word for word and without regard for cost: what the engine is
//! compared with.

use bridge_media::{AllocationConfig, AllocationSettings, LayerState, MaxHeight, VideoType};
use bridge_units::EndpointId;

use super::allocation::Sent;

#[derive(Clone, Debug)]
struct Entry {
    place: usize,
    enabled: bool,
    on_stage: bool,
    layers: Vec<(i16, i64)>,
    preferred: i32,
    oversend: i32,
    target: i32,
}

/// The effective height, target and ideal of each source in its own order, and whether too much is
/// sent.
pub fn allocate(
    config: &AllocationConfig,
    settings: &AllocationSettings,
    receiver: &EndpointId,
    sent: &[Sent],
    budget: i64,
) -> (Vec<(i32, i16, i16)>, bool) {
    let mut entries = effective(config, settings, receiver, sent);
    let is_oversending = distribute(&mut entries, budget, config);
    let mut outcome = vec![(-2, -1, -1); sent.len()];
    for (height, entry) in entries {
        let index = |place: i32| {
            usize::try_from(place).ok().and_then(|at| entry.layers.get(at)).map_or(-1, |l| l.0)
        };
        let last = entry.layers.len() as i32 - 1;
        outcome[entry.place] = (height, index(entry.target), index(last));
    }
    (outcome, is_oversending)
}

fn effective(
    config: &AllocationConfig,
    settings: &AllocationSettings,
    receiver: &EndpointId,
    sent: &[Sent],
) -> Vec<(i32, Entry)> {
    let mut selected = settings.on_stage_sources.clone();
    for name in &settings.selected_sources {
        if !selected.contains(name) {
            selected.push(name.clone());
        }
    }
    let others: Vec<usize> = (0..sent.len()).filter(|n| sent[*n].owner != *receiver).collect();
    let on = |n: &usize| sent[*n].video_type.is_enabled();
    let position = |n: &usize| selected.iter().position(|name| *name == sent[*n].name);
    let mut order: Vec<usize> =
        others.iter().copied().filter(|n| on(n) && position(n).is_some()).collect();
    order.sort_by_key(position);
    order.extend(others.iter().copied().filter(|n| on(n) && position(n).is_none()));
    order.extend(others.iter().copied().filter(|n| !on(n)));
    let limits = [
        settings.last_n,
        config.bridge_last_n,
        config.conference_size_limits.limit(others.len() + 1),
        config.ssrc_limit,
    ];
    let told = limits.iter().map(|limit| limit.to_signaled()).filter(|limit| *limit >= 0);
    let last_n = told.min().unwrap_or(i32::MAX);
    let mut n = 0;
    let mut entries = vec![];
    for place in order {
        let source = &sent[place];
        let on_stage = settings.on_stage_sources.contains(&source.name);
        let wanted = settings.constraints.get(&source.name);
        let constraints = wanted.copied().unwrap_or(settings.default_constraints);
        let is_out = !source.video_type.is_enabled() || n >= last_n;
        let height = if is_out { 0 } else { constraints.max_height.to_signaled() };
        let enabled = !is_out && !constraints.is_disabled();
        n += i32::from(enabled);
        let (layers, preferred, oversend) =
            if enabled { select(config, source, height, on_stage) } else { (vec![], -1, -1) };
        let target = -1;
        entries.push((
            height,
            Entry { place, enabled, on_stage, layers, preferred, oversend, target },
        ));
    }
    entries
}

type Selected = (Vec<(i16, i64)>, i32, i32);

fn select(config: &AllocationConfig, source: &Sent, max_height: i32, on_stage: bool) -> Selected {
    let height = |l: &LayerState| l.height.map_or(-1, i32::from);
    let fps = |l: &LayerState| l.frame_rate.unwrap_or(-1.0);
    let rate = |l: &LayerState| i64::try_from(l.bitrate.bps()).unwrap();
    let layers = &source.layers.layers;
    if layers.is_empty() {
        return (vec![], -1, -1);
    }
    let unlimited = max_height == MaxHeight::UNLIMITED.to_signaled();
    let none_active = layers.iter().all(|l| rate(l) == 0);
    let pair = |l: &&LayerState| (l.index.value(), rate(l));
    if source.video_type == VideoType::Camera {
        let min = layers.iter().map(height).min().unwrap();
        let max_fps = layers.iter().map(fps).fold(-1.0, f64::max);
        let (pref_h, pref_fps) =
            if max_height > 180 || unlimited { (360, 30.0) } else { (-1, -1.0) };
        let eff = if max_fps > 0.0 { f64::min(max_fps, pref_fps) } else { pref_fps };
        let keep = |l: &&LayerState| {
            let (h, f) = (height(l), fps(l));
            (h < pref_h || ((unlimited || h <= max_height) && (f < 0.0 || f >= eff)) || h == min)
                && (none_active || rate(l) > 0)
        };
        let kept: Vec<_> = layers.iter().filter(keep).collect();
        let preferred = kept.iter().rposition(|l| height(l) <= i32::max(pref_h, min));
        let preferred = preferred.map_or(-1, |n| n as i32);
        return (kept.iter().map(pair).collect(), preferred, -1);
    }
    let active: Vec<_> = layers.iter().filter(|l| none_active || rate(l) > 0).collect();
    let mut sel: Vec<_> =
        active.iter().copied().filter(|l| unlimited || height(l) <= max_height).collect();
    if sel.is_empty() {
        let min = active.iter().map(|l| height(l)).min().unwrap();
        sel = active.iter().copied().filter(|l| height(l) == min).collect();
        if !on_stage && fps(sel[0]) < 0.0 {
            sel.truncate(1);
        }
    }
    let top = sel.iter().map(|l| height(l)).max().unwrap();
    let tops = sel.iter().enumerate().filter(|(_, l)| height(l) == top);
    let cheapest = tops.min_by_key(|(_, l)| rate(l)).unwrap().0 as i32;
    let oversend = if on_stage && config.allow_oversend_onstage { cheapest } else { -1 };
    (sel.iter().map(pair).collect(), sel.len() as i32 - 1, oversend)
}

fn distribute(entries: &mut [(i32, Entry)], budget: i64, config: &AllocationConfig) -> bool {
    let mut remaining = budget;
    let mut oversending = false;
    loop {
        let before = remaining;
        for (i, (_, entry)) in entries.iter_mut().enumerate() {
            if !entry.enabled {
                continue;
            }
            remaining -= improve(entry, remaining, i == 0, config);
            oversending |= remaining < 0;
            if entry.on_stage && entry.target < entry.preferred {
                break;
            }
        }
        if remaining == before {
            return oversending;
        }
    }
}

fn improve(a: &mut Entry, remaining: i64, may_oversend: bool, config: &AllocationConfig) -> i64 {
    let n = a.layers.len() as i32;
    let rate = |at: i32| if at < 0 { 0 } else { a.layers[at as usize].1 };
    if n == 0 {
        return 0;
    }
    let old = rate(a.target);
    let max = remaining + old;
    let mut target = a.target;
    if target == -1 && a.preferred > -1 && a.on_stage {
        for i in 0..=a.preferred {
            if max < rate(i) {
                break;
            }
            target = i;
        }
    } else if target + 1 < n && rate(target + 1) < max {
        target += 1;
    }
    // Differs from the contract: again and again, but not among layers that carry nothing.
    while target > -1 {
        let start = target;
        for i in (target + 1..n).rev() {
            if rate(i) <= rate(target) {
                target = i;
            }
        }
        if target == start || rate(start) == 0 {
            break;
        }
    }
    if may_oversend && a.oversend >= 0 && target < a.oversend {
        for i in (target + 1..=a.oversend).rev() {
            if rate(i) <= max + i64::try_from(config.max_oversend_bitrate.bps()).unwrap() {
                target = i;
            }
        }
    }
    let cost = rate(target) - old;
    a.target = target;
    cost
}

//! Where the boxes go: columns by the longest way from the users, few crossings, ways around boxes.

use std::collections::BTreeMap;

use super::model::Picture;

/// Width of a box.
pub const BOX_WIDTH: f64 = 196.0;
/// Height of a box's heading.
pub const HEAD: f64 = 30.0;
/// Height of a line in a box.
pub const LINE: f64 = 17.0;
/// Lines shown in a box; more are counted.
pub const LINES: usize = 6;
/// Space between columns, wide enough for labels.
const GAP_X: f64 = 132.0;
/// Space between boxes of a column.
const GAP_Y: f64 = 34.0;
/// Height that a way takes where it passes a column.
const PASS: f64 = 14.0;

/// A laid out picture.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Per box: x, y, height; none for those that are common.
    pub boxes: Vec<Option<Place>>,
    /// Per link: the points that it passes, from box edge to box edge.
    pub ways: Vec<Vec<(f64, f64)>>,
    /// Width of it all.
    pub width: f64,
    /// Height of it all.
    pub height: f64,
}

/// Where a box is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Left.
    pub x: f64,
    /// Top.
    pub y: f64,
    /// Height.
    pub height: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    Box(usize),
    Pass { link: usize, column: usize },
}

/// The height of a box with so many lines.
#[must_use]
pub fn box_height(lines: usize) -> f64 {
    let shown = if lines > LINES { LINES + 1 } else { lines };
    HEAD + LINE * f64::from(u32::try_from(shown).unwrap_or(u32::MAX)) + 10.0
}

/// Lays a picture out.
#[must_use]
pub fn layout(picture: &Picture) -> Layout {
    let column_of = columns(picture);
    let count = column_of.iter().flatten().max().map_or(0, |last| last + 1);
    let mut grid: Vec<Vec<Cell>> = vec![Vec::new(); count];
    for (index, column) in column_of.iter().enumerate() {
        if let Some(column) = column {
            grid[*column].push(Cell::Box(index));
        }
    }
    for (link, way) in picture.links.iter().enumerate() {
        let (Some(from), Some(to)) = (column_of[way.from], column_of[way.to]) else { continue };
        for (column, cells) in grid.iter_mut().enumerate().take(from.max(to)).skip(from.min(to) + 1) {
            cells.push(Cell::Pass { link, column });
        }
    }
    untangle(picture, &column_of, &mut grid);
    place(picture, &column_of, &grid)
}

/// The column of each box: one more than the farthest box that leads to it. Ways back do not count.
fn columns(picture: &Picture) -> Vec<Option<usize>> {
    let mut column: Vec<usize> = vec![0; picture.boxes.len()];
    // A way that would close a circle is left out: depth first, in the order of the boxes.
    let mut forward = Vec::new();
    let mut state = vec![0u8; picture.boxes.len()];
    fn visit(at: usize, picture: &Picture, state: &mut [u8], forward: &mut Vec<(usize, usize)>) {
        state[at] = 1;
        for link in picture.links.iter().filter(|link| link.from == at) {
            if state[link.to] != 1 {
                forward.push((link.from, link.to));
                if state[link.to] == 0 {
                    visit(link.to, picture, state, forward);
                }
            }
        }
        state[at] = 2;
    }
    for start in 0..picture.boxes.len() {
        if state[start] == 0 {
            visit(start, picture, &mut state, &mut forward);
        }
    }
    for _ in 0..picture.boxes.len() {
        for &(from, to) in &forward {
            column[to] = column[to].max(column[from] + 1);
        }
    }
    // A box that nobody leads to stands one column left of the first that it leads to.
    for (index, place) in column.clone().into_iter().enumerate() {
        let led_to = forward.iter().any(|&(_, to)| to == index);
        let nearest = forward.iter().filter(|&&(from, _)| from == index).map(|&(_, to)| column[to]).min();
        if let (false, 0, Some(nearest)) = (led_to, place, nearest) {
            column[index] = nearest.saturating_sub(1);
        }
    }
    let first = picture.boxes.first().is_some_and(|group| group.name == "users");
    if first {
        column[0] = 0;
    }
    column.into_iter().zip(&picture.boxes).map(|(column, group)| (!group.common).then_some(column)).collect()
}

/// Orders every column by where its neighbours are, back and forth a few times.
fn untangle(picture: &Picture, column_of: &[Option<usize>], grid: &mut [Vec<Cell>]) {
    for round in 0..8 {
        let order: Vec<usize> =
            if round % 2 == 0 { (1..grid.len()).collect() } else { (0..grid.len().saturating_sub(1)).rev().collect() };
        for column in order {
            let beside = if round % 2 == 0 { column - 1 } else { column + 1 };
            let position: BTreeMap<Cell, usize> =
                grid[beside].iter().enumerate().map(|(position, cell)| (*cell, position)).collect();
            let mut weighed: Vec<(f64, Cell)> = grid[column]
                .iter()
                .enumerate()
                .map(|(own, cell)| {
                    let near: Vec<f64> = neighbours(picture, column_of, *cell, column, beside)
                        .iter()
                        .filter_map(|other| position.get(other))
                        .map(|&position| as_f64(position) / as_f64(grid[beside].len()))
                        .collect();
                    let weight = if near.is_empty() {
                        as_f64(own) / as_f64(grid[column].len())
                    } else {
                        near.iter().sum::<f64>() / as_f64(near.len())
                    };
                    (weight, *cell)
                })
                .collect();
            weighed.sort_by(|a, b| a.0.total_cmp(&b.0));
            grid[column] = weighed.into_iter().map(|(_, cell)| cell).collect();
        }
    }
}

/// What a cell is tied to in the column beside it.
fn neighbours(picture: &Picture, column_of: &[Option<usize>], cell: Cell, column: usize, beside: usize) -> Vec<Cell> {
    let at = |link: usize, end: usize| {
        if column_of[end] == Some(beside) { Cell::Box(end) } else { Cell::Pass { link, column: beside } }
    };
    match cell {
        Cell::Box(index) => picture
            .links
            .iter()
            .enumerate()
            .filter(|(_, link)| link.from == index || link.to == index)
            .map(|(number, link)| at(number, if link.from == index { link.to } else { link.from }))
            .collect(),
        Cell::Pass { link, .. } => {
            let way = &picture.links[link];
            let (Some(from), Some(to)) = (column_of[way.from], column_of[way.to]) else { return Vec::new() };
            let end = if (beside < column) == (from < to) { way.from } else { way.to };
            vec![at(link, end)]
        }
    }
}

fn place(picture: &Picture, column_of: &[Option<usize>], grid: &[Vec<Cell>]) -> Layout {
    let height_of = |cell: &Cell| match cell {
        Cell::Box(index) => box_height(picture.boxes[*index].lines.len()),
        Cell::Pass { .. } => PASS,
    };
    let column_height =
        |cells: &Vec<Cell>| cells.iter().map(height_of).sum::<f64>() + GAP_Y * as_f64(cells.len().saturating_sub(1));
    let height = grid.iter().map(column_height).fold(0.0, f64::max);
    let mut boxes = vec![None; picture.boxes.len()];
    let mut passes: BTreeMap<(usize, usize), (f64, f64)> = BTreeMap::new();
    for (column, cells) in grid.iter().enumerate() {
        let x = as_f64(column) * (BOX_WIDTH + GAP_X);
        let mut y = (height - column_height(cells)) / 2.0;
        for cell in cells {
            let tall = height_of(cell);
            match cell {
                Cell::Box(index) => boxes[*index] = Some(Place { x, y, height: tall }),
                Cell::Pass { link, column } => {
                    passes.insert((*link, *column), (x, y + tall / 2.0));
                }
            }
            y += tall + GAP_Y;
        }
    }
    let ways = picture
        .links
        .iter()
        .enumerate()
        .map(|(number, link)| match (boxes[link.from], boxes[link.to], column_of[link.from], column_of[link.to]) {
            (Some(from), Some(to), Some(left), Some(right)) => {
                route(picture, number, (from, left), (to, right), &boxes, &passes)
            }
            _ => Vec::new(),
        })
        .collect();
    let width = as_f64(grid.len()) * (BOX_WIDTH + GAP_X) - GAP_X;
    Layout { boxes, ways, width: width.max(BOX_WIDTH), height }
}

/// The points of one way, from the edge of one box to the edge of the other.
fn route(
    picture: &Picture,
    number: usize,
    (from, left): (Place, usize),
    (to, right): (Place, usize),
    boxes: &[Option<Place>],
    passes: &BTreeMap<(usize, usize), (f64, f64)>,
) -> Vec<(f64, f64)> {
    let link = &picture.links[number];
    let onward = left < right;
    // Ways leave and enter a box side by side, in the order in which their other ends lie.
    let port = |own: usize, place: Place, outgoing: bool| {
        let mut others: Vec<(f64, usize)> = picture
            .links
            .iter()
            .enumerate()
            .filter(|(_, other)| if outgoing { other.from == own } else { other.to == own })
            .filter_map(|(index, other)| {
                boxes[if outgoing { other.to } else { other.from }].map(|place| (place.y + place.height / 2.0, index))
            })
            .collect();
        others.sort_by(|a, b| a.0.total_cmp(&b.0));
        let rank = others.iter().position(|(_, index)| *index == number).unwrap_or(0);
        place.y + place.height * (as_f64(rank) + 1.0) / (as_f64(others.len()) + 1.0)
    };
    let start = (if onward { from.x + BOX_WIDTH } else { from.x }, port(link.from, from, true));
    let end = (if onward { to.x } else { to.x + BOX_WIDTH }, port(link.to, to, false));
    let mut points = vec![start];
    let between: Vec<usize> = if onward { (left + 1..right).collect() } else { (right + 1..left).rev().collect() };
    for column in between {
        if let Some(&(x, y)) = passes.get(&(number, column)) {
            let sides = [(x, y), (x + BOX_WIDTH, y)];
            points.extend(if onward { sides } else { [sides[1], sides[0]] });
        }
    }
    points.push(end);
    points
}

#[expect(clippy::cast_precision_loss, reason = "counts of boxes are small")]
fn as_f64(number: usize) -> f64 {
    number as f64
}

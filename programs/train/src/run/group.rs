//! The processes that train together: sums and collections over all of them, through the first one.
//!
//! What is exchanged is small (the paper's model: 22 MB of gradients for each update and 180 × 256 numbers twice a step), so
//! it goes through the hosts' memory over TCP, from GPUs too: everyone sends to the first process, which adds up in the order
//! of the ranks and sends the result back. So all have the same bits, and a run has the same bits every time. Frames are
//! `tokio-util`'s; collective libraries for Rust either need an MPI or CUDA to build or bring tensors of their own.

mod link;

use std::{net::TcpListener, time::Duration};

use anyhow::{Context, Result, ensure};

use self::link::Link;

/// All of them, seen by one.
pub struct Group {
    rank: usize,
    size: usize,
    link: Option<Link>,
}

/// How long processes wait for each other at the beginning.
const PATIENCE: Duration = Duration::from_secs(600);

impl Group {
    /// Only this process.
    pub fn alone() -> Self {
        Self { rank: 0, size: 1, link: None }
    }

    /// The first process: waits until all others have come.
    ///
    /// # Errors
    /// If they do not within ten minutes.
    pub fn first(listener: TcpListener, size: usize) -> Result<Self> {
        let link = (size > 1).then(|| Link::accept(listener, size, PATIENCE)).transpose()?;
        Ok(Self { rank: 0, size, link })
    }

    /// Another process: comes to the first one's address, also before that listens.
    ///
    /// # Errors
    /// If there is nobody within ten minutes, or it expects others.
    pub fn join(first: &str, rank: usize, size: usize) -> Result<Self> {
        ensure!((1..size).contains(&rank), "rank {rank} of {size}: ranks are counted from 0");
        Ok(Self { rank, size, link: Some(Link::connect(first, rank, size, PATIENCE)?) })
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Which one this is, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Sums numbers over all processes, in their order.
    ///
    /// # Errors
    /// If one is gone.
    pub fn sum(&mut self, numbers: &mut [f64]) -> Result<()> {
        self.fold(numbers, f64::to_le_bytes, f64::from_le_bytes, |a, b| a + b)
    }

    /// Sums numbers over all processes, in their order.
    ///
    /// # Errors
    /// If one is gone.
    pub fn sum_floats(&mut self, numbers: &mut [f32]) -> Result<()> {
        self.fold(numbers, f32::to_le_bytes, f32::from_le_bytes, |a, b| a + b)
    }

    fn fold<T: Copy, const N: usize>(
        &mut self,
        numbers: &mut [T],
        to: impl Fn(T) -> [u8; N],
        from: impl Fn([u8; N]) -> T,
        add: impl Fn(T, T) -> T,
    ) -> Result<()> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let mine: Vec<u8> = numbers.iter().flat_map(|number| to(*number)).collect();
        let length = mine.len();
        let read =
            |bytes: &[u8]| bytes.as_chunks::<N>().0.iter().map(|chunk| from(*chunk)).collect::<Vec<T>>();
        let all = link.exchange(mine, |parts| {
            let mut parts = parts.iter();
            let mut total = parts.next().map(|part| read(part)).unwrap_or_default();
            for part in parts {
                ensure!(part.len() == length, "processes sum {} and {length} bytes", part.len());
                total.iter_mut().zip(read(part)).for_each(|(total, more)| *total = add(*total, more));
            }
            Ok(total.into_iter().flat_map(&to).collect())
        })?;
        ensure!(all.len() == length, "a sum has {} bytes, expected {length}", all.len());
        numbers.copy_from_slice(&read(&all));
        Ok(())
    }

    /// What each process gives, in their order.
    ///
    /// # Errors
    /// If one is gone.
    pub fn gather(&mut self, mine: &[f32]) -> Result<Vec<Vec<f32>>> {
        let bytes: Vec<u8> = mine.iter().flat_map(|number| number.to_le_bytes()).collect();
        let floats = |bytes: &Vec<u8>| {
            bytes.as_chunks::<4>().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect::<Vec<_>>()
        };
        Ok(self.gather_bytes(bytes)?.iter().map(floats).collect())
    }

    /// What the first process gives, for all.
    ///
    /// # Errors
    /// If one is gone.
    pub fn from_first(&mut self, mine: Vec<u8>) -> Result<Vec<u8>> {
        let Some(link) = &mut self.link else { return Ok(mine) };
        let mine = if self.rank == 0 { mine } else { Vec::new() };
        link.exchange(mine, |mut parts| Ok(parts.swap_remove(0)))
    }

    /// What each process gives, in their order.
    ///
    /// # Errors
    /// If one is gone.
    pub fn gather_bytes(&mut self, mine: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        let Some(link) = &mut self.link else { return Ok(vec![mine]) };
        // Each part with its length before it.
        let all = link.exchange(mine, |parts| {
            let framed = |part: &Vec<u8>| [&(part.len() as u64).to_le_bytes(), part.as_slice()].concat();
            Ok(parts.iter().flat_map(framed).collect())
        })?;
        let mut rest = all.as_slice();
        let mut parts = Vec::with_capacity(self.size);
        while let Some((length, more)) = rest.split_first_chunk::<8>() {
            let length = usize::try_from(u64::from_le_bytes(*length))?;
            let (part, behind) = more.split_at_checked(length).context("what was collected ends early")?;
            parts.push(part.to_vec());
            rest = behind;
        }
        ensure!(parts.len() == self.size, "{} parts of {} processes came", parts.len(), self.size);
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Runs the same in three processes' places.
    fn together<T: Send + 'static>(work: fn(Group) -> T) -> Vec<T> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        // A stranger's words neither join nor stop it.
        let mut stranger = std::net::TcpStream::connect(&address).unwrap();
        std::io::Write::write_all(&mut stranger, b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let others: Vec<_> = [2, 1]
            .map(|rank| {
                let address = address.clone();
                thread::spawn(move || work(Group::join(&address, rank, 3).unwrap()))
            })
            .into();
        let mut all = vec![work(Group::first(listener, 3).unwrap())];
        all.extend(others.into_iter().rev().map(|other| other.join().unwrap()));
        all
    }

    #[test]
    fn all_get_the_sum_and_everyones_part_in_order() {
        let all = together(|mut group| {
            let rank = group.rank();
            let mut sum = [rank as f64, 0.1];
            group.sum(&mut sum).unwrap();
            let mut floats = vec![1.5f32; 100_000];
            group.sum_floats(&mut floats).unwrap();
            assert!(floats.iter().all(|sum| *sum == 4.5));
            let parts = group.gather(&vec![rank as f32; rank]).unwrap();
            (sum, parts, group.from_first(vec![rank as u8 + 7]).unwrap())
        });
        for (sum, parts, first) in all {
            assert_eq!(sum, [3.0, 0.1 + 0.1 + 0.1]);
            assert_eq!(parts, [vec![], vec![1.0], vec![2.0, 2.0]]);
            assert_eq!(first, [7]);
        }
    }

    #[test]
    fn who_is_gone_is_told() {
        let results = together(|mut group| {
            if group.rank() == 2 {
                return String::new();
            }
            format!("{:#}", group.sum(&mut [0.0]).unwrap_err())
        });
        assert!(results[0].contains("process 2 is gone"), "{results:?}");
        assert!(results[1].contains("first process is gone"), "{results:?}");
    }

    #[test]
    fn one_process_needs_nobody() {
        let mut group = Group::alone();
        let mut sum = [2.0];
        group.sum(&mut sum).unwrap();
        assert_eq!(sum, [2.0]);
        assert_eq!(group.gather(&[1.0]).unwrap(), [[1.0]]);
    }
}

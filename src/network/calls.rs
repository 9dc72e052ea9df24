//! Questions under way, each under a small number that is used again once it is answered.

/// The table. Its owner bounds how many there are.
#[derive(Debug)]
pub struct Calls<T> {
    slots: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Calls<T> {
    fn default() -> Calls<T> {
        Calls { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Calls<T> {
    /// How many are under way.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps `call`, and names it.
    pub fn insert(&mut self, call: T) -> u32 {
        if let Some(number) = self.free.pop() {
            self.slots[number as usize] = Some(call);
            return number;
        }
        self.slots.push(Some(call));
        (self.slots.len() - 1) as u32
    }

    /// Takes the call of that number out.
    pub fn take(&mut self, number: u32) -> Option<T> {
        let call = self.slots.get_mut(number as usize)?.take()?;
        self.free.push(number);
        Some(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_and_taken_once() {
        let mut calls = Calls::default();
        let numbers = ['a', 'b', 'c'].map(|call| calls.insert(call));
        assert_eq!((numbers, calls.take(1), calls.take(1)), ([0, 1, 2], Some('b'), None));
        assert_eq!((calls.insert('d'), calls.len(), calls.take(9)), (1, 3, None));
    }
}

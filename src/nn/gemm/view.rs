/// A matrix of f32 that someone else owns, with any strides: a transposed one is another view.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> View<'a> {
    /// A row-major matrix without gaps.
    ///
    /// # Panics
    /// If `data` is too short: a programming error.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// A row-major matrix whose rows are `stride` floats apart (columns of a wider matrix).
    ///
    /// # Panics
    /// If `data` is too short: a programming error.
    pub fn strided(data: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        if rows > 0 && columns > 0 {
            assert!(
                data.len() >= (rows - 1) * stride + columns,
                "a matrix within its data"
            );
        }
        Self {
            data,
            rows,
            columns,
            row_stride: stride,
            column_stride: 1,
        }
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The same numbers with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    /// Rows `first..last`.
    pub fn row_range(self, first: usize, last: usize) -> Self {
        assert!(first <= last && last <= self.rows, "rows within a matrix");
        let skip = (first * self.row_stride).min(self.data.len());
        Self {
            data: &self.data[skip..],
            rows: last - first,
            ..self
        }
    }

    /// Columns `first..last`.
    pub fn column_range(self, first: usize, last: usize) -> Self {
        self.transposed().row_range(first, last).transposed()
    }

    pub(super) fn data(&self) -> &'a [f32] {
        self.data
    }

    pub(super) fn row_stride(&self) -> usize {
        self.row_stride
    }

    pub(super) fn column_stride(&self) -> usize {
        self.column_stride
    }

    /// The element at (`row`, `column`).
    pub fn get(&self, row: usize, column: usize) -> f32 {
        self.data[row * self.row_stride + column * self.column_stride]
    }
}

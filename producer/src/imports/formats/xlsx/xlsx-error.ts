/** The workbook cannot be read from `row` of the sheet on; 0 if its fault is not in a row. */
export class XlsxError extends Error {
  readonly row: number;

  constructor(detail: string, row = 0) {
    super(detail);
    this.row = row;
  }
}

/** Limits of a workbook in the Office Open XML format. */
export const xlsxLimits = {
  /** Size of the compressed file, which is held in memory. */
  bytes: 32_000_000,
  /** Number of files within it: sheets, images and others. */
  zipEntries: 20_000,
  /** Size of the list of sheets, and of the styles, after decompression. */
  metadataBytes: 8_000_000,
  /** Size of a sheet after decompression; it is read as a stream. */
  sheetBytes: 1_000_000_000,
  /** Distinct texts of all sheets are held in memory. */
  sharedStrings: 2_000_000,
  sharedCharacters: 32_000_000,
  /** Characters of all rows together: a few bytes of the sheet may repeat a long shared text. */
  rowCharacters: 500_000_000,
  /** The maximum of spreadsheet programs. */
  rows: 1_048_576,
} as const;

// SegmentReader.swift — opens segment files.
public import Bytes
public import Capabilities

/// Opens and verifies segment files.
public enum SegmentReader {
  /// Opens a file: checks header, footer and identity; blocks are verified when first read. `identity` nil accepts any.
  public static func open(
    image: FileImage, expecting identity: SegmentIdentity? = nil
  ) throws(DecodingFailure) -> [SegmentSection] { fatalError("not yet") }
  /// The content hash, from header and footer alone; equals `SegmentImage.hash`.
  public static func contentHash(of image: FileImage) throws(DecodingFailure) -> Hash128 { fatalError("not yet") }
  /// Verifies every byte of a file.
  public static func verify(image: FileImage) throws(DecodingFailure) { fatalError("not yet") }
}

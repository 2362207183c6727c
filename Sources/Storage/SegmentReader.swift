// SegmentReader.swift — opens segment files: header, trailer and footer are checked at once, blocks when they are first read.
public import Bytes
public import Capabilities

/// Opens and verifies segment files.
public enum SegmentReader {
  /// Opens a file: checks header, footer and identity; blocks are verified when first read. `identity` nil accepts any.
  public static func open(
    image: FileImage,
    expecting identity: SegmentIdentity? = nil
  ) throws(DecodingFailure) -> [SegmentSection] {
    let found = try SegmentFormat.decodeHeader(image.bytes)
    if let identity, identity != found {
      throw DecodingFailure(
        .malformed,
        at: 8,
        "segment of cluster \(found.cluster), shard \(found.shard), file \(found.file) where cluster \(identity.cluster), "
          + "shard \(identity.shard), file \(identity.file) was expected"
      )
    }
    let range = try SegmentFormat.footerRange(image.bytes)
    var reader = ByteReader(UnsafeRawBufferPointer(rebasing: image.bytes[range]))
    let directories = try SegmentFormat.decodeFooter(&reader, end: range.lowerBound)
    return directories.map { SegmentSection(image: image, directory: $0) }
  }
  /// Whose file it is.
  public static func identity(of image: FileImage) throws(DecodingFailure) -> SegmentIdentity {
    try SegmentFormat.decodeHeader(image.bytes)
  }
  /// The content hash, from header and footer alone; equals `SegmentImage.hash`. It vouches for the blocks only together with
  /// their own hashes: `verify` checks those.
  public static func contentHash(of image: FileImage) throws(DecodingFailure) -> Hash128 {
    _ = try SegmentFormat.decodeHeader(image.bytes)
    let range = try SegmentFormat.footerRange(image.bytes)
    return SegmentFormat.contentHash(
      header: UnsafeRawBufferPointer(rebasing: image.bytes[0..<SegmentFormat.headerBytes]),
      footerAndTrailer: UnsafeRawBufferPointer(rebasing: image.bytes[range.lowerBound...])
    )
  }
  /// Verifies every byte of a file.
  public static func verify(image: FileImage) throws(DecodingFailure) {
    for section in try open(image: image) { try section.verifyAll() }
  }
}

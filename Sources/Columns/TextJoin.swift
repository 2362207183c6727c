// TextJoin.swift — text columns put behind one another under one dictionary.
//
// A text is interned when the first row uses it, once for each dictionary it comes from: parts that share a dictionary (morsels of
// one chunk) share the translation, and texts that no row uses any more cost nothing. Codes are in order of first use.
import Bytes

enum TextJoin {
  /// The values of text columns, in order; `total` is their number of rows.
  static func join(_ parts: [ColumnVector], _ total: Int) -> ColumnVector.Values {
    if let dictionary = commonDictionary(parts) {
      var codes: [UInt32] = []
      codes.reserveCapacity(total)
      for part in parts { if case .codes(let own, _) = part.values { codes.append(contentsOf: own) } }
      return .codes(codes, dictionary)
    }
    var interner = TextInterner(expected: max(64, min(total / 4, 1 << 16)))
    var translations: [ObjectIdentifier: [UInt32]] = [:]
    let codes = [UInt32](unsafeUninitializedCapacity: total) { out, written in
      for part in parts {
        guard let start = out.baseAddress.map({ $0 + written }) else { return }
        switch part.values {
        case .codes(let own, let dictionary):
          let id = ObjectIdentifier(dictionary)
          var translation = translations.removeValue(forKey: id) ?? [UInt32](repeating: .max, count: max(1, dictionary.count))
          translate(own, dictionary, &translation, &interner, start)
          translations[id] = translation
          written += own.count
        case .text(let texts):
          intern(texts, &interner, start)
          written += texts.count
        default: fatalError("concatenating columns of different layouts")
        }
      }
    }
    return .codes(codes, interner.dictionary())
  }
  private static func commonDictionary(_ parts: [ColumnVector]) -> TextDictionary? {
    var common: TextDictionary?
    for part in parts {
      guard case .codes(_, let dictionary) = part.values, common == nil || common === dictionary else { return nil }
      common = dictionary
    }
    return common
  }
  private static func translate(
    _ own: [UInt32],
    _ dictionary: TextDictionary,
    _ translation: inout [UInt32],
    _ interner: inout TextInterner,
    _ out: UnsafeMutablePointer<UInt32>
  ) {
    // With an empty dictionary all rows are NULL and have code 0.
    if dictionary.count == 0 { return out.initialize(repeating: 0, count: own.count) }
    dictionary.bytes.withUnsafeBytes { raw in
      dictionary.offsets.withUnsafeBufferPointer { offsets in
        own.withUnsafeBufferPointer { own in
          translation.withUnsafeMutableBufferPointer { translation in
            for row in 0..<own.count {
              let code = Int(own[row])
              var joint = translation[code]
              if joint == .max {
                joint = interner.intern(UnsafeRawBufferPointer(rebasing: raw[Int(offsets[code])..<Int(offsets[code + 1])]))
                translation[code] = joint
              }
              out[row] = joint
            }
          }
        }
      }
    }
  }
  private static func intern(_ texts: TextColumn, _ interner: inout TextInterner, _ out: UnsafeMutablePointer<UInt32>) {
    texts.bytes.withUnsafeBytes { raw in
      texts.offsets.withUnsafeBufferPointer { offsets in
        for row in 0..<texts.count {
          out[row] = interner.intern(UnsafeRawBufferPointer(rebasing: raw[Int(offsets[row])..<Int(offsets[row + 1])]))
        }
      }
    }
  }
}

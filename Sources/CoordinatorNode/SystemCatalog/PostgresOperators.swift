// PostgresOperators.swift — pg_operator and pg_cast: operators and casts between types that exist here, with their functions.
//
// Facts of PostgreSQL 15. Compared with a running PostgreSQL by SystemColumnsTests. What reaches them here is the binder's own; these
// rows are for tools.

/// A row of pg_operator.
struct PostgresOperatorRecord: Sendable {
  var oid: Int64
  var name: String
  /// 0 of a prefix operator.
  var left: Int64
  var right: Int64
  var result: Int64
  var function: Int64
  var commutator: Int64
  var negator: Int64
  var canMerge: Bool
  var canHash: Bool

  static let all: [PostgresOperatorRecord] = RecordText.lines(text).flatMap { line -> [PostgresOperatorRecord] in
    guard let blank = line.firstIndex(of: " ") else { return [] }
    return line[line.index(after: blank)...].split(separator: ";").compactMap { entry -> PostgresOperatorRecord? in
      let fields = entry.split(separator: " ").map(String.init)
      guard fields.count >= 7 else { return nil }
      func type(_ at: Int) -> Int64 { PostgresTypes.all[name: fields[at]]?.oid ?? 0 }
      return PostgresOperatorRecord(
        oid: Int64(fields[0]) ?? 0,
        name: String(line[..<blank]),
        left: type(1),
        right: type(2),
        result: type(3),
        function: Int64(fields[4]) ?? 0,
        commutator: Int64(fields[5]) ?? 0,
        negator: Int64(fields[6]) ?? 0,
        canMerge: fields.count > 7 && fields[7].contains("m"),
        canHash: fields.count > 7 && fields[7].contains("h")
      )
    }
  }

  /// Name, then for each: oid, left, right and result type, function, commutator, negator, m(erges) and h(ashes).
  private static let text = """
    !~ 640 name text bool 1252 0 639; 642 text text bool 1256 0 641; 1056 bpchar text bool 1659 0 1055
    !~* 1227 name text bool 1241 0 1226; 1229 text text bool 1239 0 1228; 1235 bpchar text bool 1657 0 1234
    !~~ 1208 name text bool 859 0 1207; 1210 text text bool 851 0 1209; 1212 bpchar text bool 1632 0 1211; 2017 bytea bytea bool 2006 0
      2016
    !~~* 1626 name text bool 1636 0 1625; 1628 text text bool 1634 0 1627; 1630 bpchar text bool 1661 0 1629
    # 1876 int2 int2 int2 1894 1876 0; 1882 int4 int4 int4 1900 1882 0; 1888 int8 int8 int8 1906 1888 0
    #- 3287 jsonb _text jsonb 3304 0 0
    #> 3213 jsonb _text jsonb 3217 0 0; 3966 json _text json 3951 0 0
    #>> 3206 jsonb _text text 3940 0 0; 3967 json _text text 3953 0 0
    % 439 int8 int8 int8 945 0 0; 529 int2 int2 int2 155 0 0; 530 int4 int4 int4 156 0 0; 1762 numeric numeric numeric 1729 0 0
    & 1874 int2 int2 int2 1892 1874 0; 1880 int4 int4 int4 1898 1880 0; 1886 int8 int8 int8 1904 1886 0
    && 2750 anyarray anyarray bool 2747 2750 0
    * 514 int4 int4 int4 141 514 0; 526 int2 int2 int2 152 526 0; 544 int2 int4 int4 170 545 0; 545 int4 int2 int4 171 544 0; 589 float4
      float4 float4 202 589 0; 594 float8 float8 float8 216 594 0; 686 int8 int8 int8 465 686 0; 690 int8 int4 int8 1276 694 0; 694 int4
      int8 int8 1280 690 0; 820 int8 int2 int8 839 824 0; 824 int2 int8 int8 943 820 0; 1119 float4 float8 float8 279 1129 0; 1129
      float8 float4 float8 283 1119 0; 1583 interval float8 interval 1618 1584 0; 1584 float8 interval interval 1624 1583 0; 1760
      numeric numeric numeric 1726 1760 0
    + 550 int2 int2 int2 176 550 0; 551 int4 int4 int4 177 551 0; 552 int2 int4 int4 178 553 0; 553 int4 int2 int4 179 552 0; 586 float4
      float4 float4 204 586 0; 591 float8 float8 float8 218 591 0; 684 int8 int8 int8 463 684 0; 688 int8 int4 int8 1274 692 0; 692 int4
      int8 int8 1278 688 0; 818 int8 int2 int8 837 822 0; 822 int2 int8 int8 841 818 0; 1076 date interval timestamp 2071 2551 0; 1100
      date int4 date 1141 2555 0; 1116 float4 float8 float8 281 1126 0; 1126 float8 float4 float8 285 1116 0; 1327 timestamptz interval
      timestamptz 1189 2554 0; 1337 interval interval interval 1169 1337 0; 1360 date time timestamp 1272 1363 0; 1363 time date
      timestamp 1296 1360 0; 1758 numeric numeric numeric 1724 1758 0; 1800 time interval time 1747 1849 0; 1849 interval time time 1848
      1800 0; 1916 - int8 int8 1910 0 0; 1917 - int2 int2 1911 0 0; 1918 - int4 int4 1912 0 0; 1919 - float4 float4 1913 0 0; 1920 -
      float8 float8 1914 0 0; 1921 - numeric numeric 1915 0 0; 2066 timestamp interval timestamp 2032 2553 0; 2551 interval date
      timestamp 2546 1076 0; 2553 interval timestamp timestamp 2548 2066 0; 2554 interval timestamptz timestamptz 2549 1327 0; 2555 int4
      date date 2550 1100 0
    - 484 - int8 int8 462 0 0; 554 int2 int2 int2 180 0 0; 555 int4 int4 int4 181 0 0; 556 int2 int4 int4 182 0 0; 557 int4 int2 int4
      183 0 0; 558 - int4 int4 212 0 0; 559 - int2 int2 213 0 0; 584 - float4 float4 206 0 0; 585 - float8 float8 220 0 0; 587 float4
      float4 float4 205 0 0; 592 float8 float8 float8 219 0 0; 685 int8 int8 int8 464 0 0; 689 int8 int4 int8 1275 0 0; 693 int4 int8
      int8 1279 0 0; 819 int8 int2 int8 838 0 0; 823 int2 int8 int8 942 0 0; 1077 date interval timestamp 2072 0 0; 1099 date date int4
      1140 0 0; 1101 date int4 date 1142 0 0; 1117 float4 float8 float8 282 0 0; 1127 float8 float4 float8 286 0 0; 1328 timestamptz
      timestamptz interval 1188 0 0; 1329 timestamptz interval timestamptz 1190 0 0; 1336 - interval interval 1168 0 0; 1338 interval
      interval interval 1170 0 0; 1399 time time interval 1690 0 0; 1751 - numeric numeric 1771 0 0; 1759 numeric numeric numeric 1725 0
      0; 1801 time interval time 1748 0 0; 2067 timestamp timestamp interval 2031 0 0; 2068 timestamp interval timestamp 2033 0 0; 3285
      jsonb text jsonb 3302 0 0; 3286 jsonb int4 jsonb 3303 0 0; 3398 jsonb _text jsonb 3343 0 0
    -> 3211 jsonb text jsonb 3478 0 0; 3212 jsonb int4 jsonb 3215 0 0; 3962 json text json 3947 0 0; 3964 json int4 json 3949 0 0
    ->> 3477 jsonb text text 3214 0 0; 3481 jsonb int4 text 3216 0 0; 3963 json text text 3948 0 0; 3965 json int4 text 3950 0 0
    / 527 int2 int2 int2 153 0 0; 528 int4 int4 int4 154 0 0; 546 int2 int4 int4 172 0 0; 547 int4 int2 int4 173 0 0; 588 float4 float4
      float4 203 0 0; 593 float8 float8 float8 217 0 0; 687 int8 int8 int8 466 0 0; 691 int8 int4 int8 1277 0 0; 695 int4 int8 int8 1281
      0 0; 821 int8 int2 int8 840 0 0; 825 int2 int8 int8 948 0 0; 1118 float4 float8 float8 280 0 0; 1128 float8 float4 float8 284 0 0;
      1585 interval float8 interval 1326 0 0; 1761 numeric numeric numeric 1727 0 0
    < 37 int4 int8 bool 854 419 82; 58 bool bool bool 56 59 1695; 95 int2 int2 bool 64 520 524; 97 int4 int4 bool 66 521 525; 255 name
      text bool 241 264 257; 261 text name bool 248 258 263; 412 int8 int8 bool 469 413 415; 418 int8 int4 bool 476 76 430; 534 int2
      int4 bool 160 537 542; 535 int4 int2 bool 161 536 543; 609 oid oid bool 716 610 612; 622 float4 float4 bool 289 623 625; 631 char
      char bool 1246 633 634; 660 name name bool 655 662 663; 664 text text bool 740 666 667; 672 float8 float8 bool 295 674 675; 1058
      bpchar bpchar bool 1049 1060 1061; 1072 anyarray anyarray bool 391 1073 1075; 1095 date date bool 1087 1097 1098; 1110 time time
      bool 1102 1112 1113; 1122 float4 float8 bool 301 1133 1125; 1132 float8 float4 bool 307 1123 1135; 1322 timestamptz timestamptz
      bool 1154 1324 1325; 1332 interval interval bool 1164 1334 1335; 1754 numeric numeric bool 1722 1756 1757; 1864 int2 int8 bool
      1852 1871 1867; 1870 int8 int2 bool 1858 1865 1873; 1957 bytea bytea bool 1949 1959 1960; 2062 timestamp timestamp bool 2054 2064
      2065; 2345 date timestamp bool 2338 2375 2348; 2358 date timestamptz bool 2351 2388 2361; 2371 timestamp date bool 2364 2349 2374;
      2384 timestamptz date bool 2377 2362 2387; 2534 timestamp timestamptz bool 2520 2544 2537; 2540 timestamptz timestamp bool 2527
      2538 2543; 2974 uuid uuid bool 2954 2975 2977; 3242 jsonb jsonb bool 4039 3243 3245
    << 1878 int2 int4 int2 1896 0 0; 1884 int4 int4 int4 1902 0 0; 1890 int8 int4 int8 1908 0 0
    <= 80 int4 int8 bool 856 430 76; 256 name text bool 242 263 258; 262 text name bool 249 257 264; 414 int8 int8 bool 471 415 413; 420
      int8 int4 bool 478 82 419; 522 int2 int2 bool 148 524 520; 523 int4 int4 bool 149 525 521; 540 int2 int4 bool 166 543 536; 541
      int4 int2 bool 167 542 537; 611 oid oid bool 717 612 610; 624 float4 float4 bool 290 625 623; 632 char char bool 72 634 633; 661
      name name bool 656 663 662; 665 text text bool 741 667 666; 673 float8 float8 bool 296 675 674; 1059 bpchar bpchar bool 1050 1061
      1060; 1074 anyarray anyarray bool 393 1075 1073; 1096 date date bool 1088 1098 1097; 1111 time time bool 1103 1113 1112; 1124
      float4 float8 bool 302 1135 1123; 1134 float8 float4 bool 308 1125 1133; 1323 timestamptz timestamptz bool 1155 1325 1324; 1333
      interval interval bool 1165 1335 1334; 1694 bool bool bool 1691 1695 59; 1755 numeric numeric bool 1723 1757 1756; 1866 int2 int8
      bool 1854 1873 1865; 1872 int8 int2 bool 1860 1867 1871; 1958 bytea bytea bool 1950 1960 1959; 2063 timestamp timestamp bool 2055
      2065 2064; 2346 date timestamp bool 2339 2374 2349; 2359 date timestamptz bool 2352 2387 2362; 2372 timestamp date bool 2365 2348
      2375; 2385 timestamptz date bool 2378 2361 2388; 2535 timestamp timestamptz bool 2521 2543 2538; 2541 timestamptz timestamp bool
      2528 2537 2544; 2976 uuid uuid bool 2955 2977 2975; 3244 jsonb jsonb bool 4041 3245 3243
    <> 36 int4 int8 bool 853 417 15; 85 bool bool bool 84 85 91; 259 name text bool 245 265 254; 265 text name bool 252 259 260; 411
      int8 int8 bool 468 411 410; 417 int8 int4 bool 475 36 416; 518 int4 int4 bool 144 518 96; 519 int2 int2 bool 145 519 94; 531 text
      text bool 157 531 98; 538 int2 int4 bool 164 539 532; 539 int4 int2 bool 165 538 533; 608 oid oid bool 185 608 607; 621 float4
      float4 bool 288 621 620; 630 char char bool 70 630 92; 643 name name bool 659 643 93; 671 float8 float8 bool 294 671 670; 1057
      bpchar bpchar bool 1053 1057 1054; 1071 anyarray anyarray bool 390 1071 1070; 1094 date date bool 1091 1094 1093; 1109 time time
      bool 1106 1109 1108; 1121 float4 float8 bool 300 1131 1120; 1131 float8 float4 bool 306 1121 1130; 1321 timestamptz timestamptz
      bool 1153 1321 1320; 1331 interval interval bool 1163 1331 1330; 1753 numeric numeric bool 1719 1753 1752; 1863 int2 int8 bool
      1851 1869 1862; 1869 int8 int2 bool 1857 1863 1868; 1956 bytea bytea bool 1953 1956 1955; 2061 timestamp timestamp bool 2053 2061
      2060; 2350 date timestamp bool 2343 2376 2347; 2363 date timestamptz bool 2356 2389 2360; 2376 timestamp date bool 2369 2350 2373;
      2389 timestamptz date bool 2382 2363 2386; 2539 timestamp timestamptz bool 2525 2545 2536; 2545 timestamptz timestamp bool 2532
      2539 2542; 2973 uuid uuid bool 2959 2973 2972; 3241 jsonb jsonb bool 4038 3241 3240
    <@ 2752 anyarray anyarray bool 2749 2751 0; 3250 jsonb jsonb bool 4050 3246 0
    = 15 int4 int8 bool 852 416 36 mh; 91 bool bool bool 60 91 85 mh; 92 char char bool 61 92 630 mh; 93 name name bool 62 93 643 mh; 94
      int2 int2 bool 63 94 519 mh; 96 int4 int4 bool 65 96 518 mh; 98 text text bool 67 98 531 mh; 254 name text bool 240 260 259 mh;
      260 text name bool 247 254 265 mh; 410 int8 int8 bool 467 410 411 mh; 416 int8 int4 bool 474 15 417 mh; 532 int2 int4 bool 158 533
      538 mh; 533 int4 int2 bool 159 532 539 mh; 607 oid oid bool 184 607 608 mh; 620 float4 float4 bool 287 620 621 mh; 670 float8
      float8 bool 293 670 671 mh; 1054 bpchar bpchar bool 1048 1054 1057 mh; 1070 anyarray anyarray bool 744 1070 1071 mh; 1093 date
      date bool 1086 1093 1094 mh; 1108 time time bool 1145 1108 1109 mh; 1120 float4 float8 bool 299 1130 1121 mh; 1130 float8 float4
      bool 305 1120 1131 mh; 1320 timestamptz timestamptz bool 1152 1320 1321 mh; 1330 interval interval bool 1162 1330 1331 mh; 1752
      numeric numeric bool 1718 1752 1753 mh; 1862 int2 int8 bool 1850 1868 1863 mh; 1868 int8 int2 bool 1856 1862 1869 mh; 1955 bytea
      bytea bool 1948 1955 1956 mh; 2060 timestamp timestamp bool 2052 2060 2061 mh; 2347 date timestamp bool 2340 2373 2350 m; 2360
      date timestamptz bool 2353 2386 2363 m; 2373 timestamp date bool 2366 2347 2376 m; 2386 timestamptz date bool 2379 2360 2389 m;
      2536 timestamp timestamptz bool 2522 2542 2539 m; 2542 timestamptz timestamp bool 2529 2536 2545 m; 2972 uuid uuid bool 2956 2972
      2973 mh; 3240 jsonb jsonb bool 4043 3240 3241 mh
    > 59 bool bool bool 57 58 1694; 76 int4 int8 bool 855 418 80; 258 name text bool 244 261 256; 264 text name bool 251 255 262; 413
      int8 int8 bool 470 412 414; 419 int8 int4 bool 477 37 420; 520 int2 int2 bool 146 95 522; 521 int4 int4 bool 147 97 523; 536 int2
      int4 bool 162 535 540; 537 int4 int2 bool 163 534 541; 610 oid oid bool 1638 609 611; 623 float4 float4 bool 291 622 624; 633 char
      char bool 73 631 632; 662 name name bool 657 660 661; 666 text text bool 742 664 665; 674 float8 float8 bool 297 672 673; 1060
      bpchar bpchar bool 1051 1058 1059; 1073 anyarray anyarray bool 392 1072 1074; 1097 date date bool 1089 1095 1096; 1112 time time
      bool 1104 1110 1111; 1123 float4 float8 bool 303 1132 1124; 1133 float8 float4 bool 309 1122 1134; 1324 timestamptz timestamptz
      bool 1157 1322 1323; 1334 interval interval bool 1167 1332 1333; 1756 numeric numeric bool 1720 1754 1755; 1865 int2 int8 bool
      1853 1870 1866; 1871 int8 int2 bool 1859 1864 1872; 1959 bytea bytea bool 1951 1957 1958; 2064 timestamp timestamp bool 2057 2062
      2063; 2349 date timestamp bool 2341 2371 2346; 2362 date timestamptz bool 2354 2384 2359; 2375 timestamp date bool 2367 2345 2372;
      2388 timestamptz date bool 2380 2358 2385; 2538 timestamp timestamptz bool 2523 2540 2535; 2544 timestamptz timestamp bool 2530
      2534 2541; 2975 uuid uuid bool 2958 2974 2976; 3243 jsonb jsonb bool 4040 3242 3244
    >= 82 int4 int8 bool 857 420 37; 257 name text bool 243 262 255; 263 text name bool 250 256 261; 415 int8 int8 bool 472 414 412; 430
      int8 int4 bool 479 80 418; 524 int2 int2 bool 151 522 95; 525 int4 int4 bool 150 523 97; 542 int2 int4 bool 168 541 534; 543 int4
      int2 bool 169 540 535; 612 oid oid bool 1639 611 609; 625 float4 float4 bool 292 624 622; 634 char char bool 74 632 631; 663 name
      name bool 658 661 660; 667 text text bool 743 665 664; 675 float8 float8 bool 298 673 672; 1061 bpchar bpchar bool 1052 1059 1058;
      1075 anyarray anyarray bool 396 1074 1072; 1098 date date bool 1090 1096 1095; 1113 time time bool 1105 1111 1110; 1125 float4
      float8 bool 304 1134 1122; 1135 float8 float4 bool 310 1124 1132; 1325 timestamptz timestamptz bool 1156 1323 1322; 1335 interval
      interval bool 1166 1333 1332; 1695 bool bool bool 1692 1694 58; 1757 numeric numeric bool 1721 1755 1754; 1867 int2 int8 bool 1855
      1872 1864; 1873 int8 int2 bool 1861 1866 1870; 1960 bytea bytea bool 1952 1958 1957; 2065 timestamp timestamp bool 2056 2063 2062;
      2348 date timestamp bool 2342 2372 2345; 2361 date timestamptz bool 2355 2385 2358; 2374 timestamp date bool 2368 2346 2371; 2387
      timestamptz date bool 2381 2359 2384; 2537 timestamp timestamptz bool 2524 2541 2534; 2543 timestamptz timestamp bool 2531 2535
      2540; 2977 uuid uuid bool 2957 2976 2974; 3245 jsonb jsonb bool 4042 3244 3242
    >> 1879 int2 int4 int2 1897 0 0; 1885 int4 int4 int4 1903 0 0; 1891 int8 int4 int8 1909 0 0
    ? 3247 jsonb text bool 4047 0 0
    ?& 3249 jsonb _text bool 4049 0 0
    ?| 3248 jsonb _text bool 4048 0 0
    @ 473 - int8 int8 1230 0 0; 590 - float4 float4 207 0 0; 595 - float8 float8 221 0 0; 682 - int2 int2 1253 0 0; 773 - int4 int4 1251
      0 0; 1763 - numeric numeric 1704 0 0
    @> 2751 anyarray anyarray bool 2748 2752 0; 3246 jsonb jsonb bool 4046 3250 0
    ^ 965 float8 float8 float8 232 0 0; 1038 numeric numeric numeric 1739 0 0
    | 1875 int2 int2 int2 1893 1875 0; 1881 int4 int4 int4 1899 1881 0; 1887 int8 int8 int8 1905 1887 0
    |/ 596 - float8 float8 230 0 0
    || 349 anycompatiblearray anycompatible anycompatiblearray 378 0 0; 374 anycompatible anycompatiblearray anycompatiblearray 379 0 0;
      375 anycompatiblearray anycompatiblearray anycompatiblearray 383 0 0; 654 text text text 1258 0 0; 2018 bytea bytea bytea 2011 0
      0; 2779 text anynonarray text 2003 0 0; 2780 anynonarray text text 2004 0 0; 3284 jsonb jsonb jsonb 3301 0 0
    ~ 639 name text bool 79 0 640; 641 text text bool 1254 0 642; 1055 bpchar text bool 1658 0 1056; 1877 - int2 int2 1895 0 0; 1883 -
      int4 int4 1901 0 0; 1889 - int8 int8 1907 0 0
    ~* 1226 name text bool 1240 0 1227; 1228 text text bool 1238 0 1229; 1234 bpchar text bool 1656 0 1235
    ~~ 1207 name text bool 858 0 1208; 1209 text text bool 850 0 1210; 1211 bpchar text bool 1631 0 1212; 2016 bytea bytea bool 2005 0
      2017
    ~~* 1625 name text bool 1635 0 1626; 1627 text text bool 1633 0 1628; 1629 bpchar text bool 1660 0 1630
    """
}

/// A row of pg_cast.
struct PostgresCastRecord: Sendable {
  var oid: Int64
  var source: Int64
  var target: Int64
  var function: Int64
  /// e explicit, a in assignments, i implicit.
  var context: String
  /// f by a function, b the bytes fit, i by input and output.
  var method: String

  static let all: [PostgresCastRecord] = RecordText.lines(text).flatMap { line -> [PostgresCastRecord] in
    guard let colon = line.firstIndex(of: ":") else { return [] }
    func type(_ name: String) -> Int64 { PostgresTypes.all[name: name]?.oid ?? 0 }
    return line[line.index(after: colon)...].split(separator: ";").compactMap { entry -> PostgresCastRecord? in
      let fields = entry.split(separator: " ").map(String.init)
      guard fields.count == 5 else { return nil }
      return PostgresCastRecord(
        oid: Int64(fields[0]) ?? 0,
        source: type(String(line[..<colon])),
        target: type(fields[1]),
        function: Int64(fields[2]) ?? 0,
        context: fields[3],
        method: fields[4]
      )
    }
  }

  /// Source, then for each: oid, target, function, context, method.
  private static let text = """
    bool: 10035 int4 2558 e f; 10191 text 2971 a f; 10201 bpchar 2971 a f; 10196 varchar 2971 a f
    char: 10143 int4 77 e f; 10131 text 946 i f; 10132 bpchar 860 a f; 10133 varchar 946 a f
    name: 10134 text 406 i f; 10135 bpchar 408 a f; 10136 varchar 1401 a f
    int8: 10000 int2 714 a f; 10001 int4 480 a f; 10044 regproc 1287 i f; 10037 oid 1287 i f; 10002 float4 652 i f; 10003 float8 482 i
      f; 10004 numeric 1781 i f; 10076 regclass 1287 i f; 10090 regtype 1287 i f; 10120 regnamespace 1287 i f; 10113 regrole 1287 i f
    int2: 10005 int8 754 i f; 10006 int4 313 i f; 10045 regproc 313 i f; 10038 oid 313 i f; 10007 float4 236 i f; 10008 float8 235 i f;
      10009 numeric 1782 i f; 10077 regclass 313 i f; 10091 regtype 313 i f; 10121 regnamespace 313 i f; 10114 regrole 313 i f
    int4: 10034 bool 2557 e f; 10144 char 78 e f; 10010 int8 481 i f; 10011 int2 314 a f; 10046 regproc 0 i b; 10039 oid 0 i b; 10012
      float4 318 i f; 10013 float8 316 i f; 10014 numeric 1740 i f; 10078 regclass 0 i b; 10092 regtype 0 i b; 10122 regnamespace 0 i b;
      10115 regrole 0 i b
    regproc: 10047 int8 1288 a f; 10048 int4 0 a b; 10043 oid 0 i b
    text: 10137 char 944 a f; 10140 name 407 i f; 10125 bpchar 0 i b; 10126 varchar 0 i b; 10109 regclass 1079 i f
    oid: 10040 int8 1288 a f; 10041 int4 0 a b; 10042 regproc 0 i b; 10074 regclass 0 i b; 10088 regtype 0 i b; 10118 regnamespace 0 i
      b; 10111 regrole 0 i b
    json: 10214 jsonb 0 a i
    float4: 10015 int8 653 a f; 10016 int2 238 a f; 10017 int4 319 a f; 10018 float8 311 i f; 10019 numeric 1742 a f
    float8: 10020 int8 483 a f; 10021 int2 237 a f; 10022 int4 317 a f; 10023 float4 312 a f; 10024 numeric 1743 a f
    bpchar: 10138 char 944 a f; 10141 name 409 i f; 10127 text 401 i f; 10204 bpchar 668 i f; 10128 varchar 401 i f
    varchar: 10139 char 944 a f; 10142 name 1400 i f; 10129 text 0 i b; 10130 bpchar 0 i b; 10205 varchar 669 i f; 10110 regclass 1079 i
      f
    date: 10152 timestamp 2024 i f; 10153 timestamptz 1174 i f
    time: 10206 time 1968 i f; 10154 interval 1370 i f
    timestamp: 10156 date 2029 a f; 10157 time 1316 a f; 10207 timestamp 1961 i f; 10158 timestamptz 2028 i f
    timestamptz: 10159 date 1178 a f; 10160 time 2019 a f; 10161 timestamp 2027 a f; 10208 timestamptz 1967 i f
    interval: 10163 time 1419 a f; 10209 interval 1200 i f
    numeric: 10025 int8 1779 a f; 10026 int2 1783 a f; 10027 int4 1744 a f; 10028 float4 1745 i f; 10029 float8 1746 i f; 10213 numeric
      1703 i f
    regclass: 10079 int8 1288 a f; 10080 int4 0 a b; 10075 oid 0 i b
    regtype: 10093 int8 1288 a f; 10094 int4 0 a b; 10089 oid 0 i b
    jsonb: 10216 bool 3556 e f; 10220 int8 3452 e f; 10218 int2 3450 e f; 10219 int4 3451 e f; 10215 json 0 a i; 10221 float4 3453 e f;
      10222 float8 2580 e f; 10217 numeric 3449 e f
    regnamespace: 10123 int8 1288 a f; 10124 int4 0 a b; 10119 oid 0 i b
    regrole: 10116 int8 1288 a f; 10117 int4 0 a b; 10112 oid 0 i b
    """
}

/// Functions that operators and casts name, in the form of PostgresFunctions.
enum OperatorFunctions {
  static let text = """
    anytextcat: 2004 text(anynonarray,text)s | array_eq: 744 bool(anyarray,anyarray) | array_ge: 396 bool(anyarray,anyarray)
    array_gt: 392 bool(anyarray,anyarray) | array_le: 393 bool(anyarray,anyarray) | array_lt: 391 bool(anyarray,anyarray)
    array_ne: 390 bool(anyarray,anyarray) | arraycontained: 2749 bool(anyarray,anyarray) | arraycontains: 2748 bool(anyarray,anyarray)
    arrayoverlap: 2747 bool(anyarray,anyarray) | bool: 2557 bool(int4); 3556 bool(jsonb) | booleq: 60 bool(bool,bool)
    boolge: 1692 bool(bool,bool) | boolgt: 57 bool(bool,bool) | boolle: 1691 bool(bool,bool) | boollt: 56 bool(bool,bool)
    boolne: 84 bool(bool,bool) | bpchar: 408 bpchar(name); 668 bpchar(bpchar,int4,bool); 860 bpchar(char)
    bpchareq: 1048 bool(bpchar,bpchar) | bpcharge: 1052 bool(bpchar,bpchar) | bpchargt: 1051 bool(bpchar,bpchar)
    bpchariclike: 1660 bool(bpchar,text) | bpcharicnlike: 1661 bool(bpchar,text) | bpcharicregexeq: 1656 bool(bpchar,text)
    bpcharicregexne: 1657 bool(bpchar,text) | bpcharle: 1050 bool(bpchar,bpchar) | bpcharlike: 1631 bool(bpchar,text)
    bpcharlt: 1049 bool(bpchar,bpchar) | bpcharne: 1053 bool(bpchar,bpchar) | bpcharnlike: 1632 bool(bpchar,text)
    bpcharregexeq: 1658 bool(bpchar,text) | bpcharregexne: 1659 bool(bpchar,text) | byteacat: 2011 bytea(bytea,bytea)
    byteaeq: 1948 bool(bytea,bytea) | byteage: 1952 bool(bytea,bytea) | byteagt: 1951 bool(bytea,bytea) | byteale: 1950
      bool(bytea,bytea)
    bytealike: 2005 bool(bytea,bytea) | bytealt: 1949 bool(bytea,bytea) | byteane: 1953 bool(bytea,bytea)
    byteanlike: 2006 bool(bytea,bytea) | char: 78 char(int4); 944 char(text) | chareq: 61 bool(char,char) | charge: 74 bool(char,char)
    chargt: 73 bool(char,char) | charle: 72 bool(char,char) | charlt: 1246 bool(char,char) | charne: 70 bool(char,char)
    date: 1178 date(timestamptz)s; 2029 date(timestamp) | date_eq: 1086 bool(date,date) | date_eq_timestamp: 2340 bool(date,timestamp)
    date_eq_timestamptz: 2353 bool(date,timestamptz)s | date_ge: 1090 bool(date,date) | date_ge_timestamp: 2342 bool(date,timestamp)
    date_ge_timestamptz: 2355 bool(date,timestamptz)s | date_gt: 1089 bool(date,date) | date_gt_timestamp: 2341 bool(date,timestamp)
    date_gt_timestamptz: 2354 bool(date,timestamptz)s | date_le: 1088 bool(date,date) | date_le_timestamp: 2339 bool(date,timestamp)
    date_le_timestamptz: 2352 bool(date,timestamptz)s | date_lt: 1087 bool(date,date) | date_lt_timestamp: 2338 bool(date,timestamp)
    date_lt_timestamptz: 2351 bool(date,timestamptz)s | date_mi: 1140 int4(date,date) | date_mi_interval: 2072 timestamp(date,interval)
    date_mii: 1142 date(date,int4) | date_ne: 1091 bool(date,date) | date_ne_timestamp: 2343 bool(date,timestamp)
    date_ne_timestamptz: 2356 bool(date,timestamptz)s | date_pl_interval: 2071 timestamp(date,interval) | date_pli: 1141 date(date,int4)
    datetime_pl: 1272 timestamp(date,time) | dpow: 232 float8(float8,float8) | dsqrt: 230 float8(float8)
    float4: 236 float4(int2); 312 float4(float8); 318 float4(int4); 652 float4(int8); 1745 float4(numeric); 3453 float4(jsonb)
    float48div: 280 float8(float4,float8) | float48eq: 299 bool(float4,float8) | float48ge: 304 bool(float4,float8)
    float48gt: 303 bool(float4,float8) | float48le: 302 bool(float4,float8) | float48lt: 301 bool(float4,float8)
    float48mi: 282 float8(float4,float8) | float48mul: 279 float8(float4,float8) | float48ne: 300 bool(float4,float8)
    float48pl: 281 float8(float4,float8) | float4abs: 207 float4(float4) | float4div: 203 float4(float4,float4)
    float4eq: 287 bool(float4,float4) | float4ge: 292 bool(float4,float4) | float4gt: 291 bool(float4,float4)
    float4le: 290 bool(float4,float4) | float4lt: 289 bool(float4,float4) | float4mi: 205 float4(float4,float4)
    float4mul: 202 float4(float4,float4) | float4ne: 288 bool(float4,float4) | float4pl: 204 float4(float4,float4)
    float4um: 206 float4(float4) | float4up: 1913 float4(float4)
    float8: 235 float8(int2); 311 float8(float4); 316 float8(int4); 482 float8(int8); 1746 float8(numeric); 2580 float8(jsonb)
    float84div: 284 float8(float8,float4) | float84eq: 305 bool(float8,float4) | float84ge: 310 bool(float8,float4)
    float84gt: 309 bool(float8,float4) | float84le: 308 bool(float8,float4) | float84lt: 307 bool(float8,float4)
    float84mi: 286 float8(float8,float4) | float84mul: 283 float8(float8,float4) | float84ne: 306 bool(float8,float4)
    float84pl: 285 float8(float8,float4) | float8abs: 221 float8(float8) | float8div: 217 float8(float8,float8)
    float8eq: 293 bool(float8,float8) | float8ge: 298 bool(float8,float8) | float8gt: 297 bool(float8,float8)
    float8le: 296 bool(float8,float8) | float8lt: 295 bool(float8,float8) | float8mi: 219 float8(float8,float8)
    float8mul: 216 float8(float8,float8) | float8ne: 294 bool(float8,float8) | float8pl: 218 float8(float8,float8)
    float8um: 220 float8(float8) | float8up: 1914 float8(float8)
    int2: 237 int2(float8); 238 int2(float4); 314 int2(int4); 714 int2(int8); 1783 int2(numeric); 3450 int2(jsonb)
    int24div: 172 int4(int2,int4) | int24eq: 158 bool(int2,int4) | int24ge: 168 bool(int2,int4) | int24gt: 162 bool(int2,int4)
    int24le: 166 bool(int2,int4) | int24lt: 160 bool(int2,int4) | int24mi: 182 int4(int2,int4) | int24mul: 170 int4(int2,int4)
    int24ne: 164 bool(int2,int4) | int24pl: 178 int4(int2,int4) | int28div: 948 int8(int2,int8) | int28eq: 1850 bool(int2,int8)
    int28ge: 1855 bool(int2,int8) | int28gt: 1853 bool(int2,int8) | int28le: 1854 bool(int2,int8) | int28lt: 1852 bool(int2,int8)
    int28mi: 942 int8(int2,int8) | int28mul: 943 int8(int2,int8) | int28ne: 1851 bool(int2,int8) | int28pl: 841 int8(int2,int8)
    int2abs: 1253 int2(int2) | int2and: 1892 int2(int2,int2) | int2div: 153 int2(int2,int2) | int2eq: 63 bool(int2,int2)
    int2ge: 151 bool(int2,int2) | int2gt: 146 bool(int2,int2) | int2le: 148 bool(int2,int2) | int2lt: 64 bool(int2,int2)
    int2mi: 180 int2(int2,int2) | int2mod: 155 int2(int2,int2) | int2mul: 152 int2(int2,int2) | int2ne: 145 bool(int2,int2)
    int2not: 1895 int2(int2) | int2or: 1893 int2(int2,int2) | int2pl: 176 int2(int2,int2) | int2shl: 1896 int2(int2,int4)
    int2shr: 1897 int2(int2,int4) | int2um: 213 int2(int2) | int2up: 1911 int2(int2) | int2xor: 1894 int2(int2,int2)
    int4: 77 int4(char); 313 int4(int2); 317 int4(float8); 319 int4(float4); 480 int4(int8); 1744 int4(numeric); 2558 int4(bool); 3451
      int4(jsonb)
    int42div: 173 int4(int4,int2) | int42eq: 159 bool(int4,int2) | int42ge: 169 bool(int4,int2) | int42gt: 163 bool(int4,int2)
    int42le: 167 bool(int4,int2) | int42lt: 161 bool(int4,int2) | int42mi: 183 int4(int4,int2) | int42mul: 171 int4(int4,int2)
    int42ne: 165 bool(int4,int2) | int42pl: 179 int4(int4,int2) | int48div: 1281 int8(int4,int8) | int48eq: 852 bool(int4,int8)
    int48ge: 857 bool(int4,int8) | int48gt: 855 bool(int4,int8) | int48le: 856 bool(int4,int8) | int48lt: 854 bool(int4,int8)
    int48mi: 1279 int8(int4,int8) | int48mul: 1280 int8(int4,int8) | int48ne: 853 bool(int4,int8) | int48pl: 1278 int8(int4,int8)
    int4abs: 1251 int4(int4) | int4and: 1898 int4(int4,int4) | int4div: 154 int4(int4,int4) | int4eq: 65 bool(int4,int4)
    int4ge: 150 bool(int4,int4) | int4gt: 147 bool(int4,int4) | int4le: 149 bool(int4,int4) | int4lt: 66 bool(int4,int4)
    int4mi: 181 int4(int4,int4) | int4mod: 156 int4(int4,int4) | int4mul: 141 int4(int4,int4) | int4ne: 144 bool(int4,int4)
    int4not: 1901 int4(int4) | int4or: 1899 int4(int4,int4) | int4pl: 177 int4(int4,int4) | int4shl: 1902 int4(int4,int4)
    int4shr: 1903 int4(int4,int4) | int4um: 212 int4(int4) | int4up: 1912 int4(int4) | int4xor: 1900 int4(int4,int4)
    int8: 481 int8(int4); 483 int8(float8); 653 int8(float4); 754 int8(int2); 1288 int8(oid); 1779 int8(numeric); 3452 int8(jsonb)
    int82div: 840 int8(int8,int2) | int82eq: 1856 bool(int8,int2) | int82ge: 1861 bool(int8,int2) | int82gt: 1859 bool(int8,int2)
    int82le: 1860 bool(int8,int2) | int82lt: 1858 bool(int8,int2) | int82mi: 838 int8(int8,int2) | int82mul: 839 int8(int8,int2)
    int82ne: 1857 bool(int8,int2) | int82pl: 837 int8(int8,int2) | int84div: 1277 int8(int8,int4) | int84eq: 474 bool(int8,int4)
    int84ge: 479 bool(int8,int4) | int84gt: 477 bool(int8,int4) | int84le: 478 bool(int8,int4) | int84lt: 476 bool(int8,int4)
    int84mi: 1275 int8(int8,int4) | int84mul: 1276 int8(int8,int4) | int84ne: 475 bool(int8,int4) | int84pl: 1274 int8(int8,int4)
    int8abs: 1230 int8(int8) | int8and: 1904 int8(int8,int8) | int8div: 466 int8(int8,int8) | int8eq: 467 bool(int8,int8)
    int8ge: 472 bool(int8,int8) | int8gt: 470 bool(int8,int8) | int8le: 471 bool(int8,int8) | int8lt: 469 bool(int8,int8)
    int8mi: 464 int8(int8,int8) | int8mod: 945 int8(int8,int8) | int8mul: 465 int8(int8,int8) | int8ne: 468 bool(int8,int8)
    int8not: 1907 int8(int8) | int8or: 1905 int8(int8,int8) | int8pl: 463 int8(int8,int8) | int8shl: 1908 int8(int8,int4)
    int8shr: 1909 int8(int8,int4) | int8um: 462 int8(int8) | int8up: 1910 int8(int8) | int8xor: 1906 int8(int8,int8)
    integer_pl_date: 2550 date(int4,date) | interval: 1200 interval(interval,int4); 1370 interval(time)
    interval_div: 1326 interval(interval,float8) | interval_eq: 1162 bool(interval,interval) | interval_ge: 1166 bool(interval,interval)
    interval_gt: 1167 bool(interval,interval) | interval_le: 1165 bool(interval,interval) | interval_lt: 1164 bool(interval,interval)
    interval_mi: 1170 interval(interval,interval) | interval_mul: 1618 interval(interval,float8)
    interval_ne: 1163 bool(interval,interval) | interval_pl: 1169 interval(interval,interval)
    interval_pl_date: 2546 timestamp(interval,date) | interval_pl_time: 1848 time(interval,time)
    interval_pl_timestamp: 2548 timestamp(interval,timestamp) | interval_pl_timestamptz: 2549 timestamptz(interval,timestamptz)s
    interval_um: 1168 interval(interval) | json_array_element: 3949 json(json,int4) | json_array_element_text: 3950 text(json,int4)
    json_extract_path: 3951 json(json,_text)x | json_extract_path_text: 3953 text(json,_text)x | json_object_field: 3947 json(json,text)
    json_object_field_text: 3948 text(json,text) | jsonb_array_element: 3215 jsonb(jsonb,int4)
    jsonb_array_element_text: 3216 text(jsonb,int4) | jsonb_concat: 3301 jsonb(jsonb,jsonb) | jsonb_contained: 4050 bool(jsonb,jsonb)
    jsonb_contains: 4046 bool(jsonb,jsonb) | jsonb_delete: 3302 jsonb(jsonb,text); 3303 jsonb(jsonb,int4); 3343 jsonb(jsonb,_text)x
    jsonb_delete_path: 3304 jsonb(jsonb,_text) | jsonb_eq: 4043 bool(jsonb,jsonb) | jsonb_exists: 4047 bool(jsonb,text)
    jsonb_exists_all: 4049 bool(jsonb,_text) | jsonb_exists_any: 4048 bool(jsonb,_text) | jsonb_ge: 4042 bool(jsonb,jsonb)
    jsonb_gt: 4040 bool(jsonb,jsonb) | jsonb_le: 4041 bool(jsonb,jsonb) | jsonb_lt: 4039 bool(jsonb,jsonb)
    jsonb_ne: 4038 bool(jsonb,jsonb) | mul_d_interval: 1624 interval(float8,interval)
    name: 407 name(text); 409 name(bpchar); 1400 name(varchar) | nameeq: 62 bool(name,name) | nameeqtext: 240 bool(name,text)
    namege: 658 bool(name,name) | namegetext: 243 bool(name,text) | namegt: 657 bool(name,name) | namegttext: 244 bool(name,text)
    nameiclike: 1635 bool(name,text) | nameicnlike: 1636 bool(name,text) | nameicregexeq: 1240 bool(name,text)
    nameicregexne: 1241 bool(name,text) | namele: 656 bool(name,name) | nameletext: 242 bool(name,text) | namelike: 858 bool(name,text)
    namelt: 655 bool(name,name) | namelttext: 241 bool(name,text) | namene: 659 bool(name,name) | namenetext: 245 bool(name,text)
    namenlike: 859 bool(name,text) | nameregexeq: 79 bool(name,text) | nameregexne: 1252 bool(name,text)
    numeric: 1703 numeric(numeric,int4); 1740 numeric(int4); 1742 numeric(float4); 1743 numeric(float8); 1781 numeric(int8); 1782
      numeric(int2); 3449 numeric(jsonb)
    numeric_abs: 1704 numeric(numeric) | numeric_add: 1724 numeric(numeric,numeric) | numeric_div: 1727 numeric(numeric,numeric)
    numeric_eq: 1718 bool(numeric,numeric) | numeric_ge: 1721 bool(numeric,numeric) | numeric_gt: 1720 bool(numeric,numeric)
    numeric_le: 1723 bool(numeric,numeric) | numeric_lt: 1722 bool(numeric,numeric) | numeric_mod: 1729 numeric(numeric,numeric)
    numeric_mul: 1726 numeric(numeric,numeric) | numeric_ne: 1719 bool(numeric,numeric) | numeric_power: 1739 numeric(numeric,numeric)
    numeric_sub: 1725 numeric(numeric,numeric) | numeric_uminus: 1771 numeric(numeric) | numeric_uplus: 1915 numeric(numeric)
    oid: 1287 oid(int8) | oideq: 184 bool(oid,oid) | oidge: 1639 bool(oid,oid) | oidgt: 1638 bool(oid,oid) | oidle: 717 bool(oid,oid)
    oidlt: 716 bool(oid,oid) | oidne: 185 bool(oid,oid) | regclass: 1079 regclass(text)s
    text: 401 text(bpchar); 406 text(name); 946 text(char); 2971 text(bool) | text_ge: 743 bool(text,text) | text_gt: 742
      bool(text,text)
    text_le: 741 bool(text,text) | text_lt: 740 bool(text,text) | textanycat: 2003 text(text,anynonarray)s | textcat: 1258
      text(text,text)
    texteq: 67 bool(text,text) | texteqname: 247 bool(text,name) | textgename: 250 bool(text,name) | textgtname: 251 bool(text,name)
    texticlike: 1633 bool(text,text) | texticnlike: 1634 bool(text,text) | texticregexeq: 1238 bool(text,text)
    texticregexne: 1239 bool(text,text) | textlename: 249 bool(text,name) | textlike: 850 bool(text,text)
    textltname: 248 bool(text,name) | textne: 157 bool(text,text) | textnename: 252 bool(text,name) | textnlike: 851 bool(text,text)
    textregexeq: 1254 bool(text,text) | textregexne: 1256 bool(text,text)
    time: 1316 time(timestamp); 1419 time(interval); 1968 time(time,int4); 2019 time(timestamptz)s | time_eq: 1145 bool(time,time)
    time_ge: 1105 bool(time,time) | time_gt: 1104 bool(time,time) | time_le: 1103 bool(time,time) | time_lt: 1102 bool(time,time)
    time_mi_interval: 1748 time(time,interval) | time_mi_time: 1690 interval(time,time) | time_ne: 1106 bool(time,time)
    time_pl_interval: 1747 time(time,interval) | timedate_pl: 1296 timestamp(time,date)
    timestamp: 1961 timestamp(timestamp,int4); 2024 timestamp(date); 2027 timestamp(timestamptz)s
    timestamp_eq: 2052 bool(timestamp,timestamp) | timestamp_eq_date: 2366 bool(timestamp,date)
    timestamp_eq_timestamptz: 2522 bool(timestamp,timestamptz)s | timestamp_ge: 2056 bool(timestamp,timestamp)
    timestamp_ge_date: 2368 bool(timestamp,date) | timestamp_ge_timestamptz: 2524 bool(timestamp,timestamptz)s
    timestamp_gt: 2057 bool(timestamp,timestamp) | timestamp_gt_date: 2367 bool(timestamp,date)
    timestamp_gt_timestamptz: 2523 bool(timestamp,timestamptz)s | timestamp_le: 2055 bool(timestamp,timestamp)
    timestamp_le_date: 2365 bool(timestamp,date) | timestamp_le_timestamptz: 2521 bool(timestamp,timestamptz)s
    timestamp_lt: 2054 bool(timestamp,timestamp) | timestamp_lt_date: 2364 bool(timestamp,date)
    timestamp_lt_timestamptz: 2520 bool(timestamp,timestamptz)s | timestamp_mi: 2031 interval(timestamp,timestamp)
    timestamp_mi_interval: 2033 timestamp(timestamp,interval) | timestamp_ne: 2053 bool(timestamp,timestamp)
    timestamp_ne_date: 2369 bool(timestamp,date) | timestamp_ne_timestamptz: 2525 bool(timestamp,timestamptz)s
    timestamp_pl_interval: 2032 timestamp(timestamp,interval)
    timestamptz: 1174 timestamptz(date)s; 1967 timestamptz(timestamptz,int4); 2028 timestamptz(timestamp)s
    timestamptz_eq: 1152 bool(timestamptz,timestamptz) | timestamptz_eq_date: 2379 bool(timestamptz,date)s
    timestamptz_eq_timestamp: 2529 bool(timestamptz,timestamp)s | timestamptz_ge: 1156 bool(timestamptz,timestamptz)
    timestamptz_ge_date: 2381 bool(timestamptz,date)s | timestamptz_ge_timestamp: 2531 bool(timestamptz,timestamp)s
    timestamptz_gt: 1157 bool(timestamptz,timestamptz) | timestamptz_gt_date: 2380 bool(timestamptz,date)s
    timestamptz_gt_timestamp: 2530 bool(timestamptz,timestamp)s | timestamptz_le: 1155 bool(timestamptz,timestamptz)
    timestamptz_le_date: 2378 bool(timestamptz,date)s | timestamptz_le_timestamp: 2528 bool(timestamptz,timestamp)s
    timestamptz_lt: 1154 bool(timestamptz,timestamptz) | timestamptz_lt_date: 2377 bool(timestamptz,date)s
    timestamptz_lt_timestamp: 2527 bool(timestamptz,timestamp)s | timestamptz_mi: 1188 interval(timestamptz,timestamptz)
    timestamptz_mi_interval: 1190 timestamptz(timestamptz,interval)s | timestamptz_ne: 1153 bool(timestamptz,timestamptz)
    timestamptz_ne_date: 2382 bool(timestamptz,date)s | timestamptz_ne_timestamp: 2532 bool(timestamptz,timestamp)s
    timestamptz_pl_interval: 1189 timestamptz(timestamptz,interval)s | uuid_eq: 2956 bool(uuid,uuid) | uuid_ge: 2957 bool(uuid,uuid)
    uuid_gt: 2958 bool(uuid,uuid) | uuid_le: 2955 bool(uuid,uuid) | uuid_lt: 2954 bool(uuid,uuid) | uuid_ne: 2959 bool(uuid,uuid)
    varchar: 669 varchar(varchar,int4,bool); 1401 varchar(name)
    """
}

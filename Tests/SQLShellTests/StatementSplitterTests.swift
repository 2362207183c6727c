// StatementSplitterTests.swift — where statements end, and what the prompt says meanwhile.
import SQLShell
import Testing

private func split(_ text: String) -> (statements: [String], rest: String?) {
  var splitter = StatementSplitter()
  var statements: [String] = []
  for line in text.split(separator: "\n", omittingEmptySubsequences: false) { statements += splitter.append(String(line)) }
  return (statements, splitter.take())
}

@Test func semicolonsEndStatementsOutsideOfQuotes() {
  #expect(split("select 1; select 2;\nselect\n3 ;").statements == ["select 1;", "select 2;", "select\n3 ;"])
  let whole = [
    "select 'a;''b;';", "select \"a;\"\"b\";", "select E'\\';' ;", "select $$;'$$;", "select $a$ ; $$ ; $b$ $a$;", "select 1 -- ; '\n;",
    "select /* ; /* ; */ ' */ 2;", "select (1;2);", "select a$b$c; ", "select 'x' || e';' ;", "select 1 - -1;", "select 'é;ü';",
  ]
  for text in whole {
    let (statements, rest) = split(text)
    #expect(statements.count == 1 && rest == nil, "\(text): \(statements)")
  }
  // A name that ends in e is no escape.
  #expect(split("select type'\\';").statements.count == 1)
  #expect(split(";;\n-- nothing\n;").statements.isEmpty)
  #expect(split("select 1").rest == "select 1" && split("-- only this").rest == nil)
}

@Test func thePromptTellsWhatIsOpen() {
  func prompt(_ lines: String...) -> Character {
    var splitter = StatementSplitter()
    for line in lines { _ = splitter.append(line) }
    return splitter.prompt
  }
  #expect(prompt() == "=" && prompt("select 1;") == "=" && prompt("-- x") == "=" && prompt("select") == "-")
  #expect(prompt("select (") == "(" && prompt("select '") == "'" && prompt("select \"") == "\"" && prompt("select $x$") == "$")
  #expect(prompt("select /*") == "*" && prompt("select /* /* */") == "*" && prompt("select 1; select") == "-")
}

@Test func ownCommandsAreRead() {
  #expect(MetaCommand("\\q") == .quit && MetaCommand("\\d  queries ;") == .describe("queries") && MetaCommand("\\x") == .expanded(nil))
  #expect(MetaCommand("\\x on") == .expanded(true) && MetaCommand("\\timing off") == .timing(false))
  #expect(
    MetaCommand("\\i 'a b.sql'") == .include("a b.sql") && MetaCommand("\\i") == .unknown("\\i")
      && MetaCommand("\\zap") == .unknown("\\zap")
  )
  #expect(MetaCommand("\\zone Europe/Berlin") == .zone("Europe/Berlin") && MetaCommand("\\x maybe") == .unknown("\\x maybe"))
}

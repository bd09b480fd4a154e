local floor, sub = math.floor, string.sub

local function marks()
  local result = {}
  for i = 0, 8 do
    local row = {}
    for k = 0, 9 do row[k] = false end
    result[i] = row
  end
  return result
end

local Board = {}
Board.__index = Board
function Board:put(at, digit)
  self.cells[at] = digit
  self:mark(at, digit, true)
end
function Board:mark(at, digit, set)
  local row, column = floor(at / 9), at % 9
  self.rows[row][digit] = set
  self.columns[column][digit] = set
  self.boxes[floor(row / 3) * 3 + floor(column / 3)][digit] = set
end
function Board:solve()
  local best, fewest = -1, 10
  for at = 0, 80 do
    if self.cells[at] == 0 then
      local row = self.rows[floor(at / 9)]
      local column = self.columns[at % 9]
      local box = self.boxes[floor(at / 27) * 3 + floor(at % 9 / 3)]
      local choices = 0
      for digit = 1, 9 do
        if not row[digit] and not column[digit] and not box[digit] then choices = choices + 1 end
      end
      if choices < fewest then
        fewest = choices
        best = at
      end
    end
  end
  if best < 0 then return true end
  local row = self.rows[floor(best / 9)]
  local column = self.columns[best % 9]
  local box = self.boxes[floor(best / 27) * 3 + floor(best % 9 / 3)]
  for digit = 1, 9 do
    if not (row[digit] or column[digit] or box[digit]) then
      self.tries = self.tries + 1
      self:put(best, digit)
      if self:solve() then return true end
      self.cells[best] = 0
      self:mark(best, digit, false)
    end
  end
  return false
end

local function load_board(text)
  local board = setmetatable({ cells = {}, rows = marks(), columns = marks(), boxes = marks(), tries = 0 }, Board)
  for i = 0, 80 do board.cells[i] = 0 end
  for i = 0, 80 do
    local c = sub(text, i + 1, i + 1)
    if c ~= "." then board:put(i, tonumber(c)) end
  end
  return board
end

local function main()
  local puzzles = {
    "4.....8.5.3..........7......2.....6.....8.4......1.......6.3.7.5..2.....1.4......",
    "52...6.........7.13...........4..8..6......5...........418.........3..2...87.....",
    "6.....8.3.4.7.................5.4.7.3..2.....1.6.......2.....5.....8.6......1....",
  }
  local rounds = 12
  local tries, sum = 0, 0
  for round = 1, rounds do
    for i = 1, 3 do
      local board = load_board(puzzles[i])
      if board:solve() then
        for k = 0, 80 do sum = (sum * 11 + board.cells[k]) % 1000003 end
      end
      tries = tries + board.tries
    end
  end
  print(string.format("%d %d", tries, sum))
end
main()

local function empty(width, height)
  local rows = {}
  for y = 0, height - 1 do
    local row = {}
    for x = 0, width - 1 do row[x] = 0 end
    rows[y] = row
  end
  return rows
end

local function next_generation(cells, width, height)
  local result = empty(width, height)
  for y = 0, height - 1 do
    local above = cells[(y + height - 1) % height]
    local here = cells[y]
    local below = cells[(y + 1) % height]
    local out = result[y]
    for x = 0, width - 1 do
      local left = (x + width - 1) % width
      local right = (x + 1) % width
      local count = above[left] + above[x] + above[right] + here[left] + here[right] + below[left]
      count = count + below[x] + below[right]
      if count == 3 or count == 2 and here[x] == 1 then out[x] = 1 end
    end
  end
  return result
end

local function main()
  local width, height = 96, 64
  local generations = 800
  local cells = empty(width, height)
  local seed = 4711
  for y = 0, height - 1 do
    for x = 0, width - 1 do
      seed = seed * 16807 % 2147483647
      if seed % 3 == 0 then cells[y][x] = 1 end
    end
  end
  local history = 0
  for generation = 1, generations do
    cells = next_generation(cells, width, height)
    local alive = 0
    for y = 0, height - 1 do
      local row = cells[y]
      for x = 0, width - 1 do alive = alive + row[x] end
    end
    history = (history * 31 + alive) % 1000003
  end
  print(string.format("%d", history))
end
main()

local floor = math.floor
local Particle = {}
Particle.__index = Particle
function Particle:move(dt, limit)
  self.vy = self.vy - 9.81 * dt
  self.x = self.x + self.vx * dt
  self.y = self.y + self.vy * dt
  if self.x < 0.0 then
    self.x = -self.x
    self.vx = -self.vx * 0.9
  end
  if self.x > limit then
    self.x = 2.0 * limit - self.x
    self.vx = -self.vx * 0.9
  end
  if self.y < 0.0 then
    self.y = -self.y
    self.vy = -self.vy * 0.9
  end
  if self.y > limit then
    self.y = 2.0 * limit - self.y
    self.vy = -self.vy * 0.9
  end
end

local function cells_of(particles, side)
  local cells = {}
  for i = 1, side * side do cells[i] = {} end
  for i = 1, #particles do
    local particle = particles[i]
    local column, row = floor(particle.x), floor(particle.y)
    if column >= side then column = side - 1 end
    if row >= side then row = side - 1 end
    local cell = cells[row * side + column + 1]
    cell[#cell + 1] = particle
  end
  return cells
end

local function push_apart(cells)
  local count = 0
  for c = 1, #cells do
    local cell = cells[c]
    local size = #cell
    for i = 1, size do
      local a = cell[i]
      for k = i + 1, size do
        local b = cell[k]
        local dx = a.x - b.x
        local dy = a.y - b.y
        local d = dx * dx + dy * dy
        if d < 0.04 and d > 0.0 then
          count = count + 1
          a.vx = a.vx + dx * 0.5
          a.vy = a.vy + dy * 0.5
          b.vx = b.vx - dx * 0.5
          b.vy = b.vy - dy * 0.5
        end
      end
    end
  end
  return count
end

local function main()
  local side = 20
  local steps = 900
  local particles = {}
  local seed = 31
  for i = 1, 1200 do
    local numbers = {}
    for k = 1, 4 do
      seed = seed * 16807 % 2147483647
      numbers[k] = seed % 10000 / 10000.0
    end
    local x, y, vx, vy = numbers[1], numbers[2], numbers[3], numbers[4]
    particles[i] = setmetatable({ x = x * side, y = y * side, vx = vx * 4.0 - 2.0, vy = vy * 4.0 - 2.0 }, Particle)
  end
  local hits = 0
  for step = 1, steps do
    for i = 1, #particles do particles[i]:move(0.005, side) end
    hits = hits + push_apart(cells_of(particles, side))
  end
  local energy = 0.0
  for i = 1, #particles do
    local particle = particles[i]
    energy = energy + particle.vx * particle.vx + particle.vy * particle.vy
  end
  print(string.format("%d %.4f", hits, energy))
end
main()
